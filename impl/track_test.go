package impl_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"testing"
	"testing/synctest"
	"time"

	"github.com/moqlite/moqlite/api"
	"github.com/moqlite/moqlite/impl/moqtest"
)

// subscribe subscribes, or fails the test.
func subscribe(t *testing.T, s api.Session, path api.BroadcastPath, c *api.SubscribeConfig) api.TrackReader {
	t.Helper()
	r, err := s.Subscribe(t.Context(), path, "video", c)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func accept(t *testing.T, r api.TrackReader) api.GroupReader {
	t.Helper()
	g, err := r.AcceptGroup(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return g
}

// expectStreamError checks the code of an error and which side it is from.
func expectStreamError(t *testing.T, what string, err error, code api.StreamErrorCode, remote bool) {
	t.Helper()
	reset, ok := errors.AsType[*api.StreamError](err)
	if !ok || reset.Code != code || reset.Remote != remote {
		t.Errorf("%s: %v, want %v (remote: %v)", what, err, code, remote)
	}
}

func publish(t *testing.T, mux *api.TrackMux, serve func(w api.TrackWriter)) {
	t.Helper()
	if err := mux.PublishFunc(t.Context(), "room", serve); err != nil {
		t.Fatal(err)
	}
}

func TestGroupsAreNumberedAcrossSubscribers(t *testing.T) {
	inEachVersion(t, func(t *testing.T, mux *api.TrackMux, s api.Session) {
		turn := make(chan struct{})
		publish(t, mux, func(w api.TrackWriter) {
			for range 3 {
				<-turn
				g, err := w.OpenGroup(w.Context())
				if err != nil {
					t.Error(err)
					return
				}
				_ = g.Close()
			}
		})
		a, b := subscribe(t, s, "room", nil), subscribe(t, s, "room", nil)
		for range 6 {
			turn <- struct{}{}
			synctest.Wait()
		}
		seen := map[api.GroupSequence]int{}
		for _, r := range []api.TrackReader{a, b} {
			for g, err := range api.Groups(t.Context(), r) {
				if err != nil {
					t.Fatal(err)
				}
				seen[g.Sequence()]++
				if err := g.ReadFrame(new(api.Frame)); err != io.EOF {
					t.Errorf("an empty group: %v", err)
				}
			}
		}
		if fmt.Sprint(seen) != "map[0:1 1:1 2:1 3:1 4:1 5:1]" {
			t.Errorf("groups seen: %v, want each of six once", seen)
		}
	})
}

func TestSkippedNumbersAreGaps(t *testing.T) {
	inEachVersion(t, func(t *testing.T, mux *api.TrackMux, s api.Session) {
		publish(t, mux, func(w api.TrackWriter) {
			for _, seq := range []api.GroupSequence{3, 7, 5} {
				g, err := w.OpenGroupAt(w.Context(), seq)
				if err != nil {
					t.Error(err)
					return
				}
				_ = g.Close()
			}
			if _, err := w.OpenGroupAt(w.Context(), 7); err == nil {
				t.Error("group 7 was opened twice")
			}
		})
		r := subscribe(t, s, "room", nil)
		for g, err := range api.Groups(t.Context(), r) {
			if err != nil {
				t.Fatal(err)
			}
			_ = g.ReadFrame(new(api.Frame))
		}
		var lost []string
		for _, gap := range r.Gaps() {
			lost = append(lost, fmt.Sprintf("%d-%d", gap.Start, gap.End))
			expectStreamError(t, "gap", gap.Err, api.StreamNotFound, true)
		}
		if fmt.Sprint(lost) != "[4-5 6-7]" {
			t.Errorf("gaps %v, want 4 and 6", lost)
		}
		if again := r.Gaps(); len(again) > 0 {
			t.Errorf("gaps are told twice: %v", again)
		}
	})
}

func TestResetsPassTheirCodes(t *testing.T) {
	const code = api.StreamApplication + 100
	inEachVersion(t, func(t *testing.T, mux *api.TrackMux, s api.Session) {
		refused := make(chan error, 1)
		publish(t, mux, func(w api.TrackWriter) {
			g, err := w.OpenGroup(w.Context())
			if err != nil {
				t.Error(err)
				return
			}
			_ = g.WriteFrame(api.Frame{Payload: []byte("stays")})
			<-time.After(time.Second)
			g.Cancel(code)
			if err := g.WriteFrame(api.Frame{}); !errors.Is(err, api.ErrClosed) {
				t.Errorf("write after Cancel: %v", err)
			}
			g, err = w.OpenGroup(w.Context())
			if err != nil {
				t.Error(err)
				return
			}
			_ = g.WriteFrame(api.Frame{Payload: []byte("unwanted")})
			<-g.Context().Done()
			refused <- context.Cause(g.Context())
			_ = w.CloseWithError(code)
		})
		r := subscribe(t, s, "room", nil)
		g := accept(t, r)
		var f api.Frame
		if err := g.ReadFrame(&f); err != nil || string(f.Payload) != "stays" {
			t.Fatalf("read %q, %v", f.Payload, err)
		}
		expectStreamError(t, "a group cancelled by its writer", g.ReadFrame(&f), code, true)
		g = accept(t, r)
		if err := g.ReadFrame(&f); err != nil {
			t.Fatal(err)
		}
		g.Cancel(code)
		if err := g.ReadFrame(&f); !errors.Is(err, api.ErrClosed) {
			t.Errorf("read after Cancel: %v", err)
		}
		expectStreamError(t, "a group cancelled by its reader", <-refused, code, true)
		_, err := r.AcceptGroup(t.Context())
		expectStreamError(t, "an aborted track", err, code, true)
		expectStreamError(t, "its context", context.Cause(r.Context()), code, true)
	})
}

func TestFrameSizesAreKept(t *testing.T) {
	inEachVersion(t, func(t *testing.T, mux *api.TrackMux, s api.Session) {
		publish(t, mux, func(w api.TrackWriter) {
			short, _ := w.OpenGroup(w.Context())
			body, err := short.StartFrame(api.FrameHeader{Size: 10})
			if err != nil {
				t.Error(err)
				return
			}
			if _, err := body.Write(make([]byte, 11)); !errors.Is(err, io.ErrShortBuffer) {
				t.Errorf("one byte too much: %v", err)
			}
			_, _ = body.Write(make([]byte, 9))
			if err := short.Close(); err == nil {
				t.Error("a short frame is closed in order")
			}
			whole, _ := w.OpenGroup(w.Context())
			body, _ = whole.StartFrame(api.FrameHeader{Size: 10})
			_, _ = body.Write(make([]byte, 4))
			_, _ = body.Write(make([]byte, 6))
			if err := whole.Close(); err != nil {
				t.Error(err)
			}
		})
		r := subscribe(t, s, "room", nil)
		for g, err := range api.Groups(t.Context(), r) {
			if err != nil {
				t.Fatal(err)
			}
			err := g.ReadFrame(new(api.Frame))
			if g.Sequence() == 0 {
				expectStreamError(t, "a short frame", err, api.StreamWrongSize, true)
			} else if err != nil {
				t.Error(err)
			}
		}
	})
}

func TestLargeFrames(t *testing.T) {
	inEachVersion(t, func(t *testing.T, mux *api.TrackMux, other api.Session) {
		server := moqtest.NewServer(mux)
		defer server.Close()
		c := server.Client()
		c.Config = &api.Config{Versions: []api.Version{other.State().Version}, Limits: api.Limits{FrameSize: 3 << 20}}
		s, err := c.Dial(t.Context(), server.URL, api.NewTrackMux())
		if err != nil {
			t.Fatal(err)
		}
		payload := bytes.Repeat([]byte("moq"), 1<<20)
		publish(t, mux, func(w api.TrackWriter) {
			for _, size := range []int{len(payload), len(payload) + 1} {
				g, _ := w.OpenGroup(w.Context())
				_ = g.WriteFrame(api.Frame{Payload: append(payload, 'x')[:size]})
				_ = g.Close()
			}
		})
		for g, err := range api.Groups(t.Context(), subscribe(t, s, "room", nil)) {
			if err != nil {
				t.Fatal(err)
			}
			var f api.Frame
			err := g.ReadFrame(&f)
			switch {
			case g.Sequence() == 0 && (err != nil || !bytes.Equal(f.Payload, payload)):
				t.Errorf("the largest frame: %d bytes, %v", len(f.Payload), err)
			case g.Sequence() == 1 && !errors.Is(err, api.ErrFrameTooLarge):
				t.Errorf("a larger one: %v", err)
			}
		}
	})
}

func TestUpdateReachesTheHandler(t *testing.T) {
	inEachVersion(t, func(t *testing.T, mux *api.TrackMux, s api.Session) {
		configs := make(chan api.SubscribeConfig, 1)
		publish(t, mux, func(w api.TrackWriter) {
			select {
			case <-w.Updated():
				configs <- w.Request().Config
			case <-w.Context().Done():
			}
		})
		r := subscribe(t, s, "room", &api.SubscribeConfig{Priority: 4, MaxLatency: time.Second})
		want := api.SubscribeConfig{Priority: -100, MaxLatency: -1, StartGroup: 2, EndGroup: 9}
		if err := r.Update(&want); err != nil {
			t.Fatal(err)
		}
		if got := <-configs; got != want {
			t.Errorf("the handler sees %+v, want %+v", got, want)
		}
		_ = r.Close()
		if err := r.Update(&want); !errors.Is(err, api.ErrClosed) {
			t.Errorf("update after Close: %v", err)
		}
	})
}

func TestRangesAreSentAlone(t *testing.T) {
	inEachVersion(t, func(t *testing.T, mux *api.TrackMux, s api.Session) {
		opened := make(chan struct{})
		publish(t, mux, func(w api.TrackWriter) {
			for range 8 {
				g, err := w.OpenGroup(w.Context())
				if err != nil {
					t.Error(err)
					return
				}
				if err := g.WriteFrame(api.Frame{Payload: []byte("x")}); err != nil {
					t.Errorf("group %d: %v", g.Sequence(), err)
				}
				_ = g.Close()
			}
			close(opened)
			<-w.Context().Done()
		})
		r := subscribe(t, s, "room", &api.SubscribeConfig{StartGroup: 2, EndGroup: 5})
		<-opened
		var got []api.GroupSequence
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		for g, err := range api.Groups(ctx, r) {
			if errors.Is(err, context.DeadlineExceeded) {
				break // the end of the range is a pause
			}
			if err != nil {
				t.Fatal(err)
			}
			got = append(got, g.Sequence())
		}
		if fmt.Sprint(got) != "[2 3 4]" && len(got) != 3 {
			t.Errorf("groups %v, want 2, 3 and 4", got)
		}
		_ = r.Close()
	})
}

func TestLatestIsTheNewestAtHand(t *testing.T) {
	inEachVersion(t, func(t *testing.T, mux *api.TrackMux, s api.Session) {
		first := true
		release := make(chan struct{})
		publish(t, mux, func(w api.TrackWriter) {
			if first {
				first = false
				for range 5 {
					g, _ := w.OpenGroup(w.Context())
					_ = g.Close()
				}
				<-release
				return
			}
			if start := w.Request().Config.StartGroup; s.State().Version != api.Lite06 && start != 4 {
				t.Errorf("latest is resolved to %d, want 4", start)
			}
			for seq := range api.GroupSequence(7) {
				g, _ := w.OpenGroupAt(w.Context(), seq)
				_ = g.Close()
			}
		})
		early := subscribe(t, s, "room", nil)
		synctest.Wait()
		late := subscribe(t, s, "room", &api.SubscribeConfig{StartGroup: api.GroupLatest})
		synctest.Wait()
		least := api.GroupSequence(100)
		for g, err := range api.Groups(t.Context(), late) {
			if err != nil {
				t.Fatal(err)
			}
			least = min(least, g.Sequence())
			_ = g.ReadFrame(new(api.Frame))
		}
		if least < 4 {
			t.Errorf("group %d came, want none below 4", least)
		}
		close(release)
		_ = early.Close()
	})
}

func TestPanickingHandlerFailsItsTrackAlone(t *testing.T) {
	inEachVersion(t, func(t *testing.T, mux *api.TrackMux, s api.Session) {
		info := func(_ context.Context, req api.TrackRequest) (api.TrackInfo, error) {
			if req.Name == "info" {
				panic("in info")
			}
			return api.TrackInfo{}, nil
		}
		err := mux.Publish(t.Context(), "bad", api.TrackFuncs{Info: info, Serve: func(api.TrackWriter) { panic("in serve") }})
		if err != nil {
			t.Fatal(err)
		}
		_, err = s.Subscribe(t.Context(), "bad", "info", nil)
		expectStreamError(t, "a panic in TrackInfo", err, api.StreamInternal, true)
		r, err := s.Subscribe(t.Context(), "bad", "video", nil)
		if err == nil {
			_, err = r.AcceptGroup(t.Context())
		}
		expectStreamError(t, "a panic in ServeTrack", err, api.StreamInternal, true)
		publishGroups(t, mux, "room", 1)
		if got := readAll(t, subscribe(t, s, "room", nil)); len(got) != 2 {
			t.Errorf("read %v after the panics", got)
		}
	})
}

func TestCancelledCalls(t *testing.T) {
	inEachVersion(t, func(t *testing.T, mux *api.TrackMux, s api.Session) {
		wait := func(ctx context.Context, _ api.TrackRequest) (api.TrackInfo, error) {
			<-ctx.Done()
			return api.TrackInfo{}, context.Cause(ctx)
		}
		if err := mux.Publish(t.Context(), "slow", api.TrackFuncs{Info: wait}); err != nil {
			t.Fatal(err)
		}
		why := errors.New("no patience")
		ctx, cancel := context.WithTimeoutCause(t.Context(), time.Second, why)
		defer cancel()
		if _, err := s.Subscribe(ctx, "slow", "video", nil); !errors.Is(err, why) {
			t.Errorf("Subscribe: %v, want %v", err, why)
		}
		synctest.Wait()
		if n := s.Stats().Subscriptions; n != 0 {
			t.Errorf("%d subscriptions are left", n)
		}
	})
}

func TestGoAway(t *testing.T) {
	inEachVersion(t, func(t *testing.T, _ *api.TrackMux, other api.Session) {
		sessions := make(chan api.Session, 1)
		server := moqtest.NewUnstartedServer(api.NewTrackMux())
		server.Config.Handler = func(s api.Session) { sessions <- s }
		server.Start()
		defer server.Close()
		s := dial(t, server, other.State().Version, api.NewTrackMux())
		theirs := <-sessions
		err := theirs.GoAway("moqt://elsewhere.example")
		if s.State().Version == api.Lite03 {
			if !errors.Is(err, api.ErrNotSupported) {
				t.Errorf("GoAway: %v", err)
			}
			return
		}
		if err != nil {
			t.Fatal(err)
		}
		<-s.GoneAway()
		if away := s.State().GoAway; away == nil || away.URI != "moqt://elsewhere.example" {
			t.Errorf("told to go to %v", away)
		}
		if _, err := s.Subscribe(t.Context(), "room", "video", nil); !errors.Is(err, api.ErrGoingAway) {
			t.Errorf("Subscribe after GOAWAY: %v", err)
		}
		if err := theirs.GoAway(""); err == nil {
			t.Error("GOAWAY was sent twice")
		}
		if err := s.GoAway("moqt://x.example"); err == nil {
			t.Error("a client sent a URI")
		}
	})
}

func TestAdmit(t *testing.T) {
	for _, v := range api.Versions() {
		t.Run(string(v), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				public, private := api.NewTrackMux(), api.NewTrackMux()
				publish(t, private, func(w api.TrackWriter) { <-w.Context().Done() })
				server := moqtest.NewUnstartedServer(public)
				server.Config.Admit = func(_ context.Context, r api.AdmitRequest) (api.Grant, error) {
					g := api.GrantAll()
					switch r.Token {
					case "good":
						g.Mux = private
					case "bad":
						return api.Grant{}, api.ErrUnauthorized
					}
					return g, nil
				}
				server.Start()
				defer server.Close()
				ask := func(query string) error {
					c := server.Client()
					c.Config = &api.Config{Versions: []api.Version{v}}
					s, err := c.Dial(t.Context(), "https"+server.URL[4:]+query, api.NewTrackMux())
					if err != nil {
						return err
					}
					_, err = s.Subscribe(t.Context(), "room", "video", nil)
					return err
				}
				if err := ask("/?jwt=good"); err != nil {
					t.Errorf("with a good token: %v", err)
				}
				if err := ask("/?jwt=bad"); !errors.Is(err, api.ErrUnauthorized) {
					t.Errorf("with a bad token: %v", err)
				}
				if err := ask("/"); !errors.Is(err, api.ErrNotFound) {
					t.Errorf("without a token: %v", err)
				}
			})
		})
	}
}

// TestRefusalFromDial checks that Dial itself fails when it waits for the
// server's SETUP.
func TestRefusalFromDial(t *testing.T) {
	for _, v := range []api.Version{api.Lite05, api.Lite06} {
		t.Run(string(v), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				server := moqtest.NewUnstartedServer(api.NewTrackMux())
				server.Config.Admit = func(context.Context, api.AdmitRequest) (api.Grant, error) {
					return api.Grant{}, api.ErrUnauthorized
				}
				server.Start()
				defer server.Close()
				c := server.Client()
				c.Config = &api.Config{Versions: []api.Version{v}, WaitForSetup: true}
				_, err := c.Dial(t.Context(), server.URL, api.NewTrackMux())
				failed, ok := errors.AsType[*api.DialError](err)
				if !errors.Is(err, api.ErrUnauthorized) || !ok || failed.Phase != api.PhaseSetup {
					t.Errorf("%v, want ErrUnauthorized in phase setup", err)
				}
			})
		})
	}
}

// TestContextTellsOfTheEnd ends sessions while a track is written: when a call
// fails because of that, the writer's context has ended.
func TestContextTellsOfTheEnd(t *testing.T) {
	for _, scheme := range []string{"memory", "moqt", "https", "wss"} {
		t.Run(scheme, func(t *testing.T) {
			for range 100 {
				synctest.Test(t, func(t *testing.T) { contextTells(t, scheme) })
			}
		})
	}
}

func contextTells(t *testing.T, scheme string) {
	mux, done := api.NewTrackMux(), make(chan struct{})
	err := mux.PublishFunc(t.Context(), "room", func(w api.TrackWriter) {
		defer close(done)
		for {
			g, err := w.OpenGroup(w.Context())
			if err == nil {
				err = g.WriteFrame(api.Frame{Payload: make([]byte, 2000)})
			}
			if err == nil {
				err = g.Close()
			}
			if err != nil {
				if w.Context().Err() == nil {
					t.Errorf("%v, and the context goes on", err)
				}
				return
			}
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	s, end := overFast(t, scheme, mux)
	defer end()
	r := subscribe(t, s, "room", nil)
	if _, err := r.AcceptGroup(t.Context()); err != nil {
		t.Fatal(err)
	}
	_ = s.Terminate(api.SessionNoError, "")
	<-done
}

// OpenGroup and OpenGroupAt have the same largest group number.
func TestLargestGroup(t *testing.T) {
	inEachVersion(t, func(t *testing.T, mux *api.TrackMux, s api.Session) {
		const largest = api.GroupSequence(1<<62 - 2)
		refused := make(chan [2]error, 1)
		publish(t, mux, func(w api.TrackWriter) {
			g, err := w.OpenGroupAt(w.Context(), largest)
			if err != nil {
				t.Error(err)
				return
			}
			_ = g.Close()
			_, next := w.OpenGroup(w.Context())
			_, at := w.OpenGroupAt(w.Context(), largest+1)
			refused <- [2]error{next, at}
		})
		if g := accept(t, subscribe(t, s, "room", nil)); g.Sequence() != largest {
			t.Errorf("group %d", g.Sequence())
		}
		if errs := <-refused; errs[0] == nil || errs[1] == nil || errs[0].Error() != errs[1].Error() {
			t.Errorf("beyond it: OpenGroup %v, OpenGroupAt %v", errs[0], errs[1])
		}
	})
}
