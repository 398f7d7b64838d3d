package impl_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/moqlite/moqlite/api"
	"github.com/moqlite/moqlite/impl"
	"github.com/moqlite/moqlite/impl/moqtest"
)

// inEachVersion runs a test in a bubble for each version, with a server of mux
// and a session to it.
func inEachVersion(t *testing.T, f func(t *testing.T, mux *api.TrackMux, s api.Session)) {
	for _, v := range api.Versions() {
		t.Run(string(v), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				mux := api.NewTrackMux()
				server := moqtest.NewServer(mux)
				defer server.Close()
				f(t, mux, dial(t, server, v, api.NewTrackMux()))
			})
		})
	}
}

func dial(t *testing.T, server *moqtest.Server, v api.Version, mux *api.TrackMux) api.Session {
	t.Helper()
	c := server.Client()
	c.Config = &api.Config{Versions: []api.Version{v}}
	s, err := c.Dial(t.Context(), server.URL, mux)
	if err != nil {
		t.Fatal("dial:", err)
	}
	if got := s.State().Version; got != v {
		t.Fatalf("negotiated %s, want %s", got, v)
	}
	return s
}

// publishGroups serves n groups of two frames each at path.
func publishGroups(t *testing.T, mux *api.TrackMux, path api.BroadcastPath, n int) {
	t.Helper()
	err := mux.PublishFunc(t.Context(), path, func(w api.TrackWriter) {
		for range n {
			g, err := w.OpenGroup(w.Context())
			if err != nil {
				t.Error("open group:", err)
				return
			}
			for i := range 2 {
				text := fmt.Sprintf("%s/%s/%d/%d", w.Request().Path, w.Request().Name, g.Sequence(), i)
				if err := g.WriteFrame(api.Frame{Timestamp: uint64(1000 + 20*i), Payload: []byte(text)}); err != nil {
					t.Error("write frame:", err)
				}
			}
			if err := g.Close(); err != nil {
				t.Error("close group:", err)
			}
		}
	})
	if err != nil {
		t.Fatal(err)
	}
}

// readAll reads a track to its end, and returns lines of group, timestamp and
// payload.
func readAll(t *testing.T, r api.TrackReader) []string {
	t.Helper()
	var lines []string
	for g, err := range api.Groups(t.Context(), r) {
		if err != nil {
			t.Fatal("accept group:", err)
		}
		for f, err := range api.Frames(t.Context(), g, nil) {
			if err != nil {
				t.Fatal("read frame:", err)
			}
			lines = append(lines, fmt.Sprintf("%d@%d %s", g.Sequence(), f.Timestamp, f.Payload))
		}
	}
	slices.Sort(lines)
	return lines
}

func TestSubscribeReadsWhatIsPublished(t *testing.T) {
	inEachVersion(t, func(t *testing.T, mux *api.TrackMux, s api.Session) {
		publishGroups(t, mux, "room/1", 3)
		arrived := time.Now()
		r, err := s.Subscribe(t.Context(), "/room//1/", "video", nil)
		if err != nil {
			t.Fatal(err)
		}
		got := readAll(t, r)
		var want []string
		for g := range 3 {
			for i := range 2 {
				at := uint64(1000 + 20*i)
				if v := s.State().Version; v == api.Lite03 || v == api.Lite04 {
					at = uint64(arrived.UnixMilli()) // none travels
				}
				want = append(want, fmt.Sprintf("%d@%d room/1/video/%d/%d", g, at, g, i))
			}
		}
		if !slices.Equal(got, want) {
			t.Errorf("read\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
		}
		if gaps := r.Gaps(); len(gaps) > 0 {
			t.Errorf("gaps: %v", gaps)
		}
		<-r.Context().Done()
		if _, err := r.AcceptGroup(t.Context()); err != io.EOF {
			t.Errorf("after the end: %v, want io.EOF", err)
		}
	})
}

func TestSubscribeToWhatIsNotThere(t *testing.T) {
	inEachVersion(t, func(t *testing.T, mux *api.TrackMux, s api.Session) {
		_, err := s.Subscribe(t.Context(), "nothing/here", "video", nil)
		reset, ok := errors.AsType[*api.StreamError](err)
		if !errors.Is(err, api.ErrNotFound) || !ok || !reset.Remote || reset.Code != api.StreamUnroutable {
			t.Errorf("no broadcast: %v, want a remote %v", err, api.StreamUnroutable)
		}
		refuse := func(context.Context, api.TrackRequest) (api.TrackInfo, error) {
			return api.TrackInfo{}, api.ErrNotFound
		}
		if err := mux.Publish(t.Context(), "room", api.TrackFuncs{Info: refuse}); err != nil {
			t.Fatal(err)
		}
		_, err = s.Subscribe(t.Context(), "room", "video", nil)
		reset, ok = errors.AsType[*api.StreamError](err)
		if !errors.Is(err, api.ErrNotFound) || !ok || reset.Code != api.StreamNotFound {
			t.Errorf("no track: %v, want %v", err, api.StreamNotFound)
		}
	})
}

func TestAnnouncementsComeAndGo(t *testing.T) {
	inEachVersion(t, func(t *testing.T, mux *api.TrackMux, s api.Session) {
		nothing := func(api.TrackWriter) {}
		first, withdraw := context.WithCancel(t.Context())
		if err := mux.PublishFunc(first, "room/a", nothing); err != nil {
			t.Fatal(err)
		}
		if err := mux.PublishFunc(t.Context(), "elsewhere", nothing); err != nil {
			t.Fatal(err)
		}
		r, err := s.Announcements(t.Context(), "room")
		if err != nil {
			t.Fatal(err)
		}
		defer r.Close()
		expect := func(status api.AnnouncementStatus, path api.BroadcastPath) api.Announcement {
			t.Helper()
			a, err := r.Receive(t.Context())
			if err != nil || a.Status != status || a.Path != path {
				t.Fatalf("received %v %q, %v; want %v %q", a.Status, a.Path, err, status, path)
			}
			return a
		}
		a := expect(api.AnnouncementActive, "room/a")
		if len(a.Hops) != 1 {
			t.Errorf("hops %v, want the sender alone", a.Hops)
		}
		expect(api.AnnouncementsComplete, "")
		if err := mux.PublishFunc(t.Context(), "room/b/c", nothing); err != nil {
			t.Fatal(err)
		}
		expect(api.AnnouncementActive, "room/b/c")
		withdraw()
		expect(api.AnnouncementEnded, "room/a")
		if err := mux.Update(api.Announcement{Path: "room/b/c", Hops: []api.Hop{7}, Warm: 3, Cold: 4}); err != nil {
			t.Fatal(err)
		}
		switch s.State().Version {
		case api.Lite06:
			a = expect(api.AnnouncementUpdated, "room/b/c")
			if a.Warm != 4 || a.Cold != 5 {
				t.Errorf("costs %d and %d, want those told and the link's 1", a.Warm, a.Cold)
			}
		default:
			expect(api.AnnouncementEnded, "room/b/c")
			a = expect(api.AnnouncementActive, "room/b/c")
		}
		if len(a.Hops) != 2 {
			t.Errorf("hops %v, want the one told and the sender", a.Hops)
		}
	})
}

func TestBothEndsPublish(t *testing.T) {
	inEachVersion(t, func(t *testing.T, mux *api.TrackMux, _ api.Session) {
		sessions := make(chan api.Session, 1)
		server := moqtest.NewUnstartedServer(mux)
		server.Config.Handler = func(s api.Session) { sessions <- s }
		server.Start()
		defer server.Close()
		theirs := api.NewTrackMux()
		publishGroups(t, theirs, "from/client", 2)
		dial(t, server, api.Lite05, theirs)
		r, err := (<-sessions).Subscribe(t.Context(), "from/client", "data", nil)
		if err != nil {
			t.Fatal(err)
		}
		if got := readAll(t, r); len(got) != 4 {
			t.Errorf("read %v, want 4 frames", got)
		}
	})
}

// TestUnreadTrackStallsNoOther does not read one track, whose publisher writes
// without end, and reads another in the same session.
func TestUnreadTrackStallsNoOther(t *testing.T) {
	inEachVersion(t, func(t *testing.T, mux *api.TrackMux, other api.Session) {
		limited := &api.Config{Versions: []api.Version{other.State().Version}, Limits: api.Limits{UnreadBytes: 2 << 20}}
		server := moqtest.NewServer(mux)
		defer server.Close()
		c := server.Client()
		c.Config = limited
		s, err := c.Dial(t.Context(), server.URL, api.NewTrackMux())
		if err != nil {
			t.Fatal(err)
		}
		flood := func(w api.TrackWriter) {
			for w.Context().Err() == nil {
				g, err := w.OpenGroup(w.Context())
				if err != nil {
					return
				}
				go func() {
					_ = g.WriteFrame(api.Frame{Payload: make([]byte, 1<<20)})
					_ = g.Close()
				}()
				select {
				case <-time.After(10 * time.Millisecond):
				case <-w.Context().Done():
				}
			}
		}
		if err := mux.PublishFunc(t.Context(), "flood", flood); err != nil {
			t.Fatal(err)
		}
		publishGroups(t, mux, "room", 50)
		unread, err := s.Subscribe(t.Context(), "flood", "video", nil)
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(2 * time.Second)
		r, err := s.Subscribe(t.Context(), "room", "video", nil)
		if err != nil {
			t.Fatal(err)
		}
		if got := readAll(t, r); len(got) != 100 {
			t.Errorf("read %d frames beside an unread track, want 100", len(got))
		}
		gaps := unread.Gaps()
		if len(gaps) == 0 || !errors.Is(gaps[0].Err, api.ErrTooFarBehind) {
			t.Errorf("gaps of the unread track: %v, want some that are too far behind", gaps)
		}
		if s.Stats().GroupsDropped == 0 {
			t.Error("no dropped groups are counted")
		}
		if err := unread.Close(); err != nil {
			t.Error(err)
		}
	})
}

func TestShutdownWaitsForWhatIsServed(t *testing.T) {
	inEachVersion(t, func(t *testing.T, _ *api.TrackMux, _ api.Session) {
		sessions := make(chan api.Session, 1)
		server := moqtest.NewUnstartedServer(api.NewTrackMux())
		server.Config.Handler = func(s api.Session) { sessions <- s }
		server.Start()
		defer server.Close()
		mux := api.NewTrackMux()
		publishGroups(t, mux, "room", 40)
		client := server.Client()
		if _, err := client.Dial(t.Context(), server.URL, mux); err != nil {
			t.Fatal(err)
		}
		r, err := (<-sessions).Subscribe(t.Context(), "room", "video", nil)
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Second)
		read := make(chan int, 1)
		go func() {
			time.Sleep(time.Second)
			read <- len(readAll(t, r))
		}()
		if err := client.Shutdown(t.Context()); err != nil {
			t.Error("shutdown:", err)
		}
		if n := <-read; n != 80 {
			t.Errorf("read %d frames across a shutdown, want all 80", n)
		}
		if _, err := client.Dial(t.Context(), server.URL, nil); !errors.Is(err, api.ErrClientClosed) {
			t.Errorf("dial after shutdown: %v", err)
		}
	})
}

func TestShutdownCutsAtItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sessions := make(chan api.Session, 1)
		server := moqtest.NewUnstartedServer(api.NewTrackMux())
		server.Config.Handler = func(s api.Session) { sessions <- s }
		server.Start()
		defer server.Close()
		mux := api.NewTrackMux()
		err := mux.PublishFunc(t.Context(), "room", func(w api.TrackWriter) { <-w.Context().Done() })
		if err != nil {
			t.Fatal(err)
		}
		client := server.Client()
		s, err := client.Dial(t.Context(), server.URL, mux)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := (<-sessions).Subscribe(t.Context(), "room", "video", nil); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
		defer cancel()
		began := time.Now()
		err = client.Shutdown(ctx)
		if !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), "cut 1 session") {
			t.Errorf("shutdown: %v, want the deadline and what was cut", err)
		}
		if took := time.Since(began); took > 3*time.Second+50*time.Millisecond {
			t.Errorf("shutdown took %v of its 3s", took)
		}
		ended, ok := errors.AsType[*api.SessionError](context.Cause(s.Context()))
		if !ok || ended.Code != api.SessionGoAwayTimeout {
			t.Errorf("the session ended with %v", context.Cause(s.Context()))
		}
	})
}

func TestCloseEndsEverything(t *testing.T) {
	inEachVersion(t, func(t *testing.T, mux *api.TrackMux, s api.Session) {
		hang := func(w api.TrackWriter) { <-w.Context().Done() }
		if err := mux.PublishFunc(t.Context(), "room", hang); err != nil {
			t.Fatal(err)
		}
		r, err := s.Subscribe(t.Context(), "room", "video", nil)
		if err != nil {
			t.Fatal(err)
		}
		announced, err := s.Announcements(t.Context(), "")
		if err != nil {
			t.Fatal(err)
		}
		accepted := make(chan error, 1)
		go func() { _, err := r.AcceptGroup(t.Context()); accepted <- err }()
		synctest.Wait()
		if err := s.Terminate(api.SessionApplication, "enough"); err != nil {
			t.Fatal(err)
		}
		err = <-accepted
		ended, ok := errors.AsType[*api.SessionError](err)
		if !ok || ended.Code != api.SessionApplication || ended.Remote {
			t.Errorf("AcceptGroup: %v", err)
		}
		for {
			if _, err = announced.Receive(t.Context()); err != nil {
				break
			}
		}
		if !errors.Is(err, api.ErrSessionClosed) {
			t.Errorf("Receive: %v", err)
		}
		if _, err := s.Subscribe(t.Context(), "room", "video", nil); !errors.Is(err, api.ErrSessionClosed) {
			t.Errorf("Subscribe: %v", err)
		}
	})
}

func TestDialErrors(t *testing.T) {
	older := &api.Config{Versions: []api.Version{api.Lite03}}
	newer := &api.Config{Versions: []api.Version{api.Lite06}}
	for _, test := range []struct {
		name, url string
		phase     api.Phase
		config    *api.Config
		want      error
	}{
		{"malformed", "moqt://[", api.PhaseResolve, nil, nil},
		{"no scheme", "example.com/live", api.PhaseResolve, nil, api.ErrUnsupportedScheme},
		{"no host", "moqt:///live", api.PhaseResolve, nil, nil},
		{"nothing there", "moqt://nowhere.example", api.PhaseConnect, nil, nil},
		{"no common version", "", api.PhaseNegotiate, newer, api.ErrUnsupportedVersion},
		{"path without a place", "/live?jwt=secret", api.PhaseResolve, older, api.ErrNotSupported},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				server := moqtest.NewUnstartedServer(api.NewTrackMux())
				server.Config.Config = older
				server.Start()
				defer server.Close()
				c := &impl.Client{Transport: server.Network, Config: test.config}
				defer c.Close()
				url := test.url
				if url == "" || url[0] == '/' {
					url = server.URL + url
				}
				_, err := c.Dial(t.Context(), url, nil)
				failed, ok := errors.AsType[*api.DialError](err)
				if !ok || failed.Phase != test.phase {
					t.Fatalf("dial: %v, want a failure in phase %s", err, test.phase)
				}
				if test.want != nil && !errors.Is(err, test.want) {
					t.Errorf("dial: %v, want %v", err, test.want)
				}
				if strings.Contains(err.Error(), "secret") {
					t.Errorf("the error tells the token: %v", err)
				}
			})
		})
	}
}

// TestEndings ends a client in every order of Close and Shutdown, with a track
// that does not end.
func TestEndings(t *testing.T) {
	for _, test := range []struct {
		name string
		end  func(t *testing.T, c *impl.Client, s api.Session)
	}{
		{"close twice", func(t *testing.T, c *impl.Client, _ api.Session) {
			if err := errors.Join(c.Close(), c.Close()); err != nil {
				t.Error(err)
			}
		}},
		{"close wins over shutdown", func(t *testing.T, c *impl.Client, _ api.Session) {
			ended := make(chan error, 2)
			for range 2 {
				go func() { ended <- c.Shutdown(t.Context()) }()
			}
			synctest.Wait()
			if err := c.Close(); err != nil {
				t.Error(err)
			}
			for range 2 {
				if err := <-ended; !errors.Is(err, api.ErrClientClosed) {
					t.Errorf("shutdown: %v", err)
				}
			}
		}},
		{"shutdown with an ended context", func(t *testing.T, c *impl.Client, _ api.Session) {
			ctx, cancel := context.WithCancel(t.Context())
			cancel()
			if err := c.Shutdown(ctx); !errors.Is(err, context.Canceled) {
				t.Errorf("shutdown: %v", err)
			}
			if err := c.Shutdown(t.Context()); err != nil {
				t.Errorf("shutdown again: %v", err)
			}
		}},
		{"shutdown while the application ends its tracks", func(t *testing.T, c *impl.Client, s api.Session) {
			r := subscribe(t, s, "room", nil)
			g := accept(t, r)
			time.AfterFunc(time.Minute, func() { _ = r.Close() })
			began := time.Now()
			if err := c.Shutdown(t.Context()); err != nil {
				t.Errorf("shutdown: %v", err)
			}
			if took := time.Since(began); took < time.Minute || took > 2*time.Minute {
				t.Errorf("it took %v", took)
			}
			if err := g.ReadFrame(new(api.Frame)); !errors.Is(err, api.ErrClosed) {
				t.Errorf("a group of the closed track: %v", err)
			}
		}},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				mux := api.NewTrackMux()
				publish(t, mux, func(w api.TrackWriter) {
					if g, err := w.OpenGroup(w.Context()); err == nil {
						_ = g.WriteFrame(api.Frame{Payload: []byte("endless")})
					}
					<-w.Context().Done()
				})
				server := moqtest.NewServer(mux)
				defer server.Close()
				c := server.Client()
				s, err := c.Dial(t.Context(), server.URL, api.NewTrackMux())
				if err != nil {
					t.Fatal(err)
				}
				other := subscribe(t, s, "room", nil)
				if strings.HasPrefix(test.name, "shutdown while") {
					_ = other.Close()
				}
				test.end(t, c, s)
			})
		})
	}
}

// TestDialIntoAClosingClient closes a client while it dials.
func TestDialIntoAClosingClient(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server := moqtest.NewUnstartedServer(api.NewTrackMux())
		server.Delay = time.Hour
		server.Start()
		defer server.Close()
		c := server.Client()
		dialled := make(chan error, 1)
		go func() { _, err := c.Dial(t.Context(), server.URL, nil); dialled <- err }()
		synctest.Wait()
		began := time.Now()
		if err := c.Close(); err != nil {
			t.Error(err)
		}
		if err := <-dialled; !errors.Is(err, api.ErrClientClosed) {
			t.Errorf("dial: %v", err)
		}
		if took := time.Since(began); took > time.Second {
			t.Errorf("close took %v", took)
		}
	})
}
