package redial_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/moqlite/moqlite/api"
	"github.com/moqlite/moqlite/impl/live"
	"github.com/moqlite/moqlite/impl/redial"
)

var errUnreachable = errors.New("unreachable")

// lose breaks the sessions of a server, and makes dials fail for a while.
func lose(n *network, server *node, away time.Duration) {
	n.fail(errUnreachable)
	server.Sever()
	time.Sleep(away)
	n.fail(nil)
}

// withOrigins are the versions that tell the origin of a broadcast.
var withOrigins = []api.Version{api.Lite04, api.Lite05, api.Lite06}

// TestResumes loses a session while a track is read: the reader continues at
// the next group, and groups that the publisher does not hold any more are
// reported as lost.
func TestResumes(t *testing.T) {
	for _, c := range []struct {
		name   string
		away   time.Duration // for how long there is no session
		info   api.TrackInfo
		losing bool // whether something must be lost
	}{
		{"at once", 0, api.TrackInfo{}, false},
		{"within what is held", 3 * time.Second, api.TrackInfo{}, false},
		{"too late", 10 * time.Second, api.TrackInfo{MaxLatency: time.Second}, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			inEachVersion(t, func(t *testing.T, v api.Version) {
				cam := newCamera(t, c.info, live.Limits{})
				server, n, s := single(t, cam.mux, v, quick())
				defer server.Close()
				defer s.Terminate(api.SessionNoError, "")
				in := read(t, subscribe(t, s, nil))
				time.Sleep(time.Second)
				before, _ := in.highest()
				lose(n, server, c.away)
				time.Sleep(5 * time.Second)
				cam.stop()
				in.awaitEnd(t)
				if after, _ := in.highest(); after < before+api.GroupSequence((c.away+4*time.Second)/every) {
					t.Errorf("read up to %d, and to %d before", after, before)
				}
				in.check(t)
				if lost := in.lost(); (len(lost) > 0) != c.losing {
					t.Errorf("lost %v", lost)
				}
				for _, g := range in.gaps {
					if !errors.Is(g.Err, api.ErrSessionClosed) {
						t.Errorf("%d to %d are lost since %v", g.Start, g.End, g.Err)
					}
				}
				if len(in.restarts) > 0 {
					t.Errorf("restarted: %v", in.restarts)
				}
			}, withOrigins...)
		})
	}
}

// TestEdgeAfterAnOutage: after an outage, a subscriber that wants the newest
// groups gets these, and one that wants all gets all that are held.
func TestEdgeAfterAnOutage(t *testing.T) {
	for _, c := range []struct {
		name   string
		config *api.SubscribeConfig
		missed bool
		within bool // a group, of which the frame has come
	}{
		{"the newest", &api.SubscribeConfig{StartGroup: api.GroupLatest}, true, false},
		{"the newest, within a group", &api.SubscribeConfig{StartGroup: api.GroupLatest}, true, true},
		{"all", nil, false, false},
		{"all, within a group", nil, false, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			inEachVersion(t, func(t *testing.T, v api.Version) {
				cam := newSlowCamera(t, api.TrackInfo{MaxLatency: time.Minute}, live.Limits{}, every/2)
				server, n, s := single(t, cam.mux, v, quick())
				defer server.Close()
				defer s.Terminate(api.SessionNoError, "")
				time.Sleep(time.Second)
				in := read(t, subscribe(t, s, c.config))
				if c.within {
					time.Sleep(time.Second + every/4)
				} else {
					time.Sleep(time.Second - every/4)
				}
				const away = 10 * time.Second
				lose(n, server, away)
				time.Sleep(3 * time.Second)
				cam.stop()
				in.awaitEnd(t)
				in.check(t)
				lost := in.lost()
				if few := away / every / 2; c.missed && len(lost) < int(few) || !c.missed && len(lost) > 0 {
					t.Errorf("%d groups are told as lost", len(lost))
				}
				if !c.missed && in.torn != nil {
					t.Errorf("groups %v did not go on", in.torn)
				}
				if in.restarts != nil {
					t.Errorf("restarted: %v", in.restarts)
				}
			}, withOrigins...)
		})
	}
}

// TestRestarts continues with a broadcast that is not known to be of the same
// origin: the reader gets one RestartError, and the numbers begin anew. Later
// losses are handled as any other.
func TestRestarts(t *testing.T) {
	for _, c := range []struct {
		name     string
		config   *api.SubscribeConfig
		leave    func(t *testing.T, first *node) // ends the first session
		why      error
		versions []api.Version
	}{
		{"lost", nil, sever, api.ErrSessionClosed, api.Versions()},
		{"lost, where a start was asked for", &api.SubscribeConfig{StartGroup: 15}, sever, api.ErrSessionClosed, api.Versions()},
		{"told to go", nil, tell, api.ErrGoingAway, withOrigins},
	} {
		t.Run(c.name, func(t *testing.T) {
			inEachVersion(t, func(t *testing.T, v api.Version) {
				var events recorder
				policy := quick()
				policy.Trace = events.trace()
				old := newCamera(t, api.TrackInfo{}, live.Limits{})
				first, n, s := single(t, old.mux, v, policy)
				defer first.Close()
				defer s.Terminate(api.SessionNoError, "")
				time.Sleep(2 * time.Second)
				in := read(t, subscribe(t, s, c.config))
				time.Sleep(time.Second)
				if before, _ := in.highest(); before < 25 {
					t.Fatalf("read up to %d", before)
				}
				in.check(t)

				another := newCamera(t, api.TrackInfo{}, live.Limits{})
				second := newNode(another.mux, nil, 0)
				defer second.Close()
				n.add("1", second, v)
				c.leave(t, first)
				time.Sleep(2 * time.Second)
				synctest.Wait()
				if len(in.restarts) != 1 || !errors.Is(in.restarts[0], redial.ErrRestarted) {
					t.Fatalf("restarts %v, want one", in.restarts)
				}
				if err := in.restarts[0]; !errors.Is(err, c.why) || !strings.HasPrefix(err.Error(), "the track was restarted: ") {
					t.Errorf("restarted since %v", err)
				}
				if restart := in.restarts[0]; v != api.Lite03 && (restart.Before == 0 || restart.After == 0 || restart.Before == restart.After) {
					t.Errorf("%+v tells no two origins", restart)
				}
				if now, ok := in.highest(); !ok || now < 5 || now > 25 {
					t.Errorf("read up to %d of the new numbers", now)
				}
				in.check(t)

				second.Sever()
				time.Sleep(2 * time.Second)
				another.stop()
				in.awaitEnd(t)
				want := 1
				if v == api.Lite03 {
					want = 2 // it never knows
				}
				if len(in.restarts) != want || events.count("restarted") != want {
					t.Errorf("restarted %d times, told %d; want %d", len(in.restarts), events.count("restarted"), want)
				}
				if now, _ := in.highest(); now < 30 {
					t.Errorf("read up to %d", now)
				}
				in.check(t)
			}, c.versions...)
		})
	}
}

func sever(_ *testing.T, server *node) { server.Sever() }

// tell makes a server send its clients a GOAWAY without a URI.
func tell(t *testing.T, server *node) { server.goAway(t, "") }

// TestEnd reads a track to its end, which comes over a session, or while there
// is none.
func TestEnd(t *testing.T) {
	for _, c := range []struct {
		name string
		end  func(n *network, server *node, cam *camera)
	}{
		{"with a session", func(_ *network, _ *node, cam *camera) { cam.stop() }},
		{"without", func(n *network, server *node, cam *camera) {
			time.AfterFunc(time.Second, cam.stop)
			lose(n, server, 3*time.Second)
		}},
		{"after another", func(n *network, server *node, cam *camera) {
			lose(n, server, time.Second)
			time.Sleep(time.Second)
			cam.stop()
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			inEachVersion(t, func(t *testing.T, v api.Version) {
				cam := newCamera(t, api.TrackInfo{}, live.Limits{})
				server, n, s := single(t, cam.mux, v, quick())
				defer server.Close()
				defer s.Terminate(api.SessionNoError, "")
				r := subscribe(t, s, nil)
				in := read(t, r)
				time.Sleep(time.Second)
				c.end(n, server, cam)
				in.awaitEnd(t)
				in.check(t)
				last, _ := cam.track.Latest()
				if got, _ := in.highest(); got != last {
					t.Errorf("read up to %d, of %d", got, last)
				}
				if err := context.Cause(r.Context()); err != io.EOF {
					t.Errorf("the track's context ended with %v", err)
				}
				if err := r.ReceiveDatagram(t.Context(), new(api.Datagram)); err != io.EOF {
					t.Errorf("a datagram after the end: %v", err)
				}
			}, withOrigins...)
		})
	}
}

// TestTornGroup loses a session within a group, which the publisher ends
// meanwhile: its reader gets an error, and then the rest of the group, and the
// next group.
func TestTornGroup(t *testing.T) {
	inEachVersion(t, func(t *testing.T, v api.Version) {
		mux := api.NewTrackMux()
		b := new(live.Broadcast)
		track := b.Track("video", api.TrackInfo{})
		if err := mux.Publish(t.Context(), "room", b); err != nil {
			t.Fatal(err)
		}
		server, _, s := single(t, mux, v, quick())
		defer server.Close()
		defer s.Terminate(api.SessionNoError, "")
		r := subscribe(t, s, nil)
		synctest.Wait() // the origin is known
		open, err := track.OpenGroup(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		_ = open.WriteFrame(api.Frame{Payload: []byte("one")})
		g, err := r.AcceptGroup(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		var f api.Frame
		if err := g.ReadFrame(&f); err != nil {
			t.Fatal(err)
		}
		server.Sever()
		if err := g.ReadFrame(&f); !errors.Is(err, api.ErrSessionClosed) {
			t.Errorf("the group ended with %v", err)
		}
		time.Sleep(time.Second)
		_ = open.Close()
		next, err := track.OpenGroup(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		_ = next.Close()
		first := make(map[api.GroupSequence]uint64)
		for range 2 {
			if g, err = r.AcceptGroup(t.Context()); err != nil {
				t.Fatal(err)
			}
			first[g.Sequence()] = g.FirstFrame()
			if err := g.ReadFrame(&f); err != io.EOF {
				t.Errorf("group %d ended with %v", g.Sequence(), err)
			}
		}
		if want := (map[api.GroupSequence]uint64{0: 1, 1: 0}); !maps.Equal(first, want) {
			t.Errorf("groups and their first frames %v, want %v", first, want)
		}
	}, withOrigins...)
}

// An asked is a handler that records what it is asked for.
type asked struct {
	mu      sync.Mutex
	writers []api.TrackWriter
}

func (h *asked) ServeTrack(w api.TrackWriter) {
	h.mu.Lock()
	h.writers = append(h.writers, w)
	h.mu.Unlock()
	<-w.Context().Done()
}

// config returns the config of the newest subscription, and the number of
// subscriptions.
func (h *asked) config() (c api.SubscribeConfig, n int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if n = len(h.writers); n > 0 {
		c = h.writers[n-1].Request().Config
	}
	return c, n
}

// TestUpdate changes what is asked for: with a session, without one, and while
// the next one is being asked.
func TestUpdate(t *testing.T) {
	const priority = 7
	for _, c := range []struct {
		name string
		away time.Duration // until the next session
		when time.Duration // the update, after the loss
	}{
		{"with a session", time.Second, -time.Second},
		{"without", 3 * time.Second, time.Second},
		// The next one is dialled by 0.15 s, stands after a round trip of a
		// second, has told the origin after another, and answers after one more.
		{"while the next is asked", 0, 2600 * time.Millisecond},
	} {
		t.Run(c.name, func(t *testing.T) {
			inEachVersion(t, func(t *testing.T, v api.Version) {
				h, mux := new(asked), api.NewTrackMux()
				if err := mux.Publish(t.Context(), "room", h); err != nil {
					t.Fatal(err)
				}
				server := newNode(mux, nil, 500*time.Millisecond)
				defer server.Close()
				n := newNetwork()
				n.add("1", server, v)
				s := dial(t, n, address("1"), quick(), nil)
				defer s.Terminate(api.SessionNoError, "")
				r := subscribe(t, s, &api.SubscribeConfig{Priority: 1})
				time.Sleep(2 * time.Second)
				update := func() {
					if err := r.Update(&api.SubscribeConfig{Priority: priority, EndGroup: 9}); err != nil {
						t.Error(err)
					}
				}
				if c.when < 0 {
					update()
					time.Sleep(-c.when)
				} else {
					time.AfterFunc(c.when, update)
				}
				lose(n, server, c.away)
				time.Sleep(10 * time.Second)
				if got, n := h.config(); n != 2 || got.Priority != priority || got.EndGroup != 9 {
					t.Errorf("after %d subscriptions, %+v is asked for", n, got)
				}
			})
		})
	}
}

// TestUpdateIsChecked without a session too.
func TestUpdateIsChecked(t *testing.T) {
	inEachVersion(t, func(t *testing.T, v api.Version) {
		h, mux := new(asked), api.NewTrackMux()
		if err := mux.Publish(t.Context(), "room", h); err != nil {
			t.Fatal(err)
		}
		server, n, s := single(t, mux, v, quick())
		defer server.Close()
		defer s.Terminate(api.SessionNoError, "")
		r := subscribe(t, s, nil)
		synctest.Wait()
		n.fail(errUnreachable)
		server.Sever()
		synctest.Wait()
		if err := r.Update(&api.SubscribeConfig{EndFrame: 3}); err == nil {
			t.Error("an end frame without an end group is accepted")
		}
		n.fail(nil)
		time.Sleep(5 * time.Second)
		if c, n := h.config(); n != 2 || c.EndFrame != 0 {
			t.Errorf("after %d subscriptions, %+v is asked for", n, c)
		}
		_ = r.Close()
		if err := r.Update(nil); !errors.Is(err, api.ErrClosed) {
			t.Errorf("update after Close: %v", err)
		}
	})
}

// TestGapsOfOneSession are reported as the session beneath reports them: here,
// for groups that were not read in time.
func TestGapsOfOneSession(t *testing.T) {
	inEachVersion(t, func(t *testing.T, v api.Version) {
		mux, b := api.NewTrackMux(), new(live.Broadcast)
		track := b.Track("video", api.TrackInfo{MaxLatency: time.Minute})
		if err := mux.Publish(t.Context(), "room", b); err != nil {
			t.Fatal(err)
		}
		server := newNode(mux, nil, 0)
		defer server.Close()
		client := server.Client()
		client.Config = &api.Config{Versions: []api.Version{v}, Limits: api.Limits{UnreadGroups: 3}}
		s := dial(t, client, server.URL, quick(), nil)
		defer s.Terminate(api.SessionNoError, "")
		r := subscribe(t, s, nil)
		if r.Info() != (api.TrackInfo{MaxLatency: time.Minute, Timescale: 1000}) && v != api.Lite03 && v != api.Lite04 {
			t.Errorf("described as %+v", r.Info())
		}
		for n := range 10 {
			put(t, track, fmt.Sprint(n))
			synctest.Wait()
		}
		_ = track.Close()
		time.Sleep(time.Second)
		in := read(t, r)
		in.awaitEnd(t)
		lost := in.lost()
		if len(lost) < 5 || len(in.groups)+len(lost) != 10 {
			t.Errorf("read %v, lost %v", in.groups, lost)
		}
		for _, g := range in.gaps {
			if !errors.Is(g.Err, api.ErrTooFarBehind) {
				t.Errorf("%d to %d are lost since %v", g.Start, g.End, g.Err)
			}
		}
	})
}

// TestCloseWithoutSession unsubscribes for good.
func TestCloseWithoutSession(t *testing.T) {
	inEachVersion(t, func(t *testing.T, v api.Version) {
		cam := newCamera(t, api.TrackInfo{}, live.Limits{})
		defer cam.stop()
		server, n, s := single(t, cam.mux, v, quick())
		defer server.Close()
		defer s.Terminate(api.SessionNoError, "")
		r := subscribe(t, s, nil)
		if _, err := r.AcceptGroup(t.Context()); err != nil {
			t.Fatal(err)
		}
		n.fail(errUnreachable)
		server.Sever()
		synctest.Wait()
		waiting := make(chan error)
		go func() {
			for {
				if _, err := r.AcceptGroup(t.Context()); err != nil {
					waiting <- err
					return
				}
			}
		}()
		synctest.Wait()
		_ = r.Close()
		if err := <-waiting; !errors.Is(err, api.ErrClosed) {
			t.Errorf("a blocked AcceptGroup returned %v", err)
		}
		_, err := r.AcceptGroup(t.Context())
		if err = errors.Join(err, r.ReceiveDatagram(t.Context(), new(api.Datagram))); !errors.Is(err, api.ErrClosed) {
			t.Errorf("after Close: %v", err)
		}
		if err := context.Cause(r.Context()); !errors.Is(err, api.ErrClosed) {
			t.Errorf("the context ended with %v", err)
		}
		n.fail(nil)
		time.Sleep(5 * time.Second)
		if n := cam.track.Subscribers(); n != 0 || s.State().Version != v || s.Stats().Subscriptions != 0 {
			t.Errorf("%d subscriptions after Close", n)
		}
	})
}

// TestTerminateWithoutSession ends the requests that wait for one.
func TestTerminateWithoutSession(t *testing.T) {
	inEachVersion(t, func(t *testing.T, v api.Version) {
		cam := newCamera(t, api.TrackInfo{}, live.Limits{})
		defer cam.stop()
		server, n, s := single(t, cam.mux, v, quick())
		defer server.Close()
		in := read(t, subscribe(t, s, nil))
		time.Sleep(time.Second)
		n.fail(errUnreachable)
		server.Sever()
		time.Sleep(time.Second)
		asking := make(chan error)
		go func() {
			_, err := s.Subscribe(t.Context(), "room", "audio", nil)
			asking <- err
		}()
		synctest.Wait()
		const code = api.SessionApplication + 3
		_ = s.Terminate(code, "enough")
		err := <-asking
		ended, ok := errors.AsType[*api.SessionError](err)
		if !ok || ended.Code != code || ended.Reason != "enough" {
			t.Errorf("a subscription that waited failed with %v", err)
		}
		<-in.done
		if ended, ok := errors.AsType[*api.SessionError](in.err); !ok || ended.Code != code {
			t.Errorf("the track ended with %v", in.err)
		}
		if ended, ok := errors.AsType[*api.SessionError](context.Cause(s.Context())); !ok || ended.Code != code {
			t.Errorf("the session ended with %v", context.Cause(s.Context()))
		}
		n.fail(nil)
		if _, err := s.Subscribe(t.Context(), "room", "video", nil); !errors.Is(err, api.ErrSessionClosed) {
			t.Errorf("a subscription after the end: %v", err)
		}
		if _, err := s.Announcements(t.Context(), ""); !errors.Is(err, api.ErrSessionClosed) {
			t.Errorf("announcements after the end: %v", err)
		}
		dials := len(n.ports())
		time.Sleep(time.Minute)
		if more := len(n.ports()) - dials; more > 0 {
			t.Errorf("%d dials after the end", more)
		}
	})
}

// TestRequestsWait makes all kinds of requests while there is no session: they
// are answered by the next one, or ended by their contexts.
func TestRequestsWait(t *testing.T) {
	requests := map[string]func(ctx context.Context, s api.Session) error{
		"subscribe": func(ctx context.Context, s api.Session) error {
			_, err := s.Subscribe(ctx, "room", "video", nil)
			return err
		},
		"announcements": func(ctx context.Context, s api.Session) error {
			_, err := s.Announcements(ctx, "")
			return err
		},
		"track info": func(ctx context.Context, s api.Session) error {
			_, err := s.TrackInfo(ctx, "room", "video")
			return err
		},
		"fetch": func(ctx context.Context, s api.Session) error {
			g, err := s.Fetch(ctx, api.FetchRequest{Path: "room", Name: "video", Group: 1})
			if err == nil {
				g.Cancel(api.StreamCancelled)
			}
			return err
		},
	}
	for name, request := range requests {
		t.Run(name, func(t *testing.T) {
			inEachVersion(t, func(t *testing.T, v api.Version) {
				cam := newCamera(t, api.TrackInfo{}, live.Limits{})
				defer cam.stop()
				server, n, s := single(t, cam.mux, v, quick())
				defer server.Close()
				defer s.Terminate(api.SessionNoError, "")
				time.Sleep(time.Second)
				n.fail(errUnreachable)
				server.Sever()
				synctest.Wait()
				enough := errors.New("enough")
				ctx, cancel := context.WithTimeoutCause(t.Context(), time.Second, enough)
				defer cancel()
				if err := request(ctx, s); !errors.Is(err, enough) {
					t.Errorf("with a context that ended: %v", err)
				}
				time.AfterFunc(time.Second, func() { n.fail(nil) })
				began := time.Now()
				if err := request(t.Context(), s); err != nil {
					t.Error(err)
				}
				if time.Since(began) < time.Second {
					t.Error("answered without a session")
				}
			}, api.Lite05, api.Lite06)
		})
	}
}

// TestPublisherComesLater: the broadcast is not back yet when there is a
// session again. It is asked for until it is.
func TestPublisherComesLater(t *testing.T) {
	for _, c := range []struct {
		name string
		late time.Duration
		want error
	}{
		{"in time", 20 * time.Second, nil},
		{"too late", time.Hour, api.ErrNotFound},
	} {
		t.Run(c.name, func(t *testing.T) {
			inEachVersion(t, func(t *testing.T, v api.Version) {
				cam := newCamera(t, api.TrackInfo{MaxLatency: time.Minute}, live.Limits{})
				first, second := startRelay(0), startRelay(0)
				defer first.Close()
				defer second.Close()
				cam.connect(t, first, v)
				n := newNetwork()
				n.add("1", first, v)
				policy := quick()
				policy.ResumeTimeout = 30 * time.Second
				s := dial(t, n, address("1"), policy, nil)
				defer s.Terminate(api.SessionNoError, "")
				time.Sleep(time.Second)
				in := read(t, subscribe(t, s, nil))
				time.Sleep(time.Second)
				n.add("1", second, v)
				first.Sever()
				if c.want == nil {
					time.Sleep(c.late)
					cam.connect(t, second, v)
					time.Sleep(5 * time.Second)
					cam.stop()
					in.awaitEnd(t)
					last, _ := cam.track.Latest()
					if got, _ := in.highest(); got != last {
						t.Errorf("read up to %d, of %d", got, last)
					}
					in.check(t)
					return
				}
				began := time.Now()
				<-in.done
				if took := time.Since(began); took > 35*time.Second || took < 25*time.Second {
					t.Errorf("given up after %v", took)
				}
				if !errors.Is(in.err, c.want) {
					t.Errorf("given up with %v", in.err)
				}
				cam.stop()
			}, withOrigins...)
		})
	}
}

// TestPublisherIsBack loses the publisher behind a relay that stays: the track
// goes on over the same session when the publisher is back, as the same origin
// or as another, and ends if it stays away.
func TestPublisherIsBack(t *testing.T) {
	for _, c := range []struct {
		name   string
		back   bool
		origin api.Hop
	}{
		{"as the same origin", true, cameraHop},
		{"as another", true, cameraHop + 1},
		{"never", false, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			inEachVersion(t, func(t *testing.T, v api.Version) {
				cam := newCamera(t, api.TrackInfo{MaxLatency: time.Minute}, live.Limits{})
				defer cam.stop()
				server := startRelay(0)
				defer server.Close()
				first := cam.connect(t, server, v)
				n := newNetwork()
				n.add("1", server, v)
				policy := quick()
				policy.ResumeTimeout = 30 * time.Second
				s := dial(t, n, address("1"), policy, nil)
				defer s.Terminate(api.SessionNoError, "")
				time.Sleep(time.Second)
				in := read(t, subscribe(t, s, nil))
				time.Sleep(2*time.Second + 50*time.Millisecond) // between two groups
				_ = first.Terminate(api.SessionInternal, "a bad day")
				time.Sleep(3 * time.Second)
				if !c.back {
					began := time.Now()
					<-in.done
					_, reset := errors.AsType[*api.StreamError](in.err)
					if took := time.Since(began); took > 35*time.Second || !reset {
						t.Errorf("after %v: %v", took, in.err)
					}
					return
				}
				cam.connectAs(t, server, v, c.origin)
				time.Sleep(3 * time.Second)
				cam.stop()
				in.awaitEnd(t)
				in.check(t)
				if restarted := len(in.restarts) == 1; restarted != (c.origin != cameraHop) {
					t.Errorf("restarts: %v", in.restarts)
				}
				if c.origin == cameraHop && in.lost() != nil {
					t.Errorf("lost %v", in.lost())
				}
				if ports := n.ports(); len(ports) != 1 {
					t.Errorf("dialled %v", ports)
				}
			}, withOrigins...)
		})
	}
}

// TestResetBeforeTheEnd: a server resets what it serves just before it is gone.
// That ends neither the tracks nor the announcements. If the session stays, it
// ends the tracks, and the announcements go on.
func TestResetBeforeTheEnd(t *testing.T) {
	for _, gone := range []bool{true, false} {
		t.Run(fmt.Sprintf("gone %v", gone), func(t *testing.T) {
			inEachVersion(t, func(t *testing.T, v api.Version) {
				cam := newCamera(t, api.TrackInfo{}, live.Limits{})
				server, _, s := single(t, cam.mux, v, quick())
				defer server.Close()
				defer s.Terminate(api.SessionNoError, "")
				in := read(t, subscribe(t, s, nil))
				heard, err := s.Announcements(t.Context(), "")
				if err != nil {
					t.Fatal(err)
				}
				time.Sleep(1050 * time.Millisecond) // between two groups
				server.ResetStreams(uint64(api.StreamNotFound))
				if gone {
					time.Sleep(100 * time.Millisecond)
					server.CloseConnections(uint64(api.SessionNoError), "")
					time.Sleep(5 * time.Second)
					cam.stop()
					in.awaitEnd(t)
					in.check(t)
					return
				}
				<-in.done
				reset, ok := errors.AsType[*api.StreamError](in.err)
				if !ok || reset.Code != api.StreamNotFound || !reset.Remote {
					t.Errorf("the track ended with %v", in.err)
				}
				for range 2 { // what is there, and that it is all
					if _, err := heard.Receive(t.Context()); err != nil {
						t.Fatal(err)
					}
				}
				if err := cam.mux.Publish(t.Context(), "hall", cam.broadcast); err != nil {
					t.Fatal(err)
				}
				if a, err := heard.Receive(t.Context()); err != nil || a.Path != "hall" || a.Status != api.AnnouncementActive {
					t.Errorf("then was announced %v, %v", a, err)
				}
				cam.stop()
			}, withOrigins...)
		})
	}
}

// TestDatagrams: datagrams come over one session after another, each once.
// AcceptGroup is not called.
func TestDatagrams(t *testing.T) {
	for _, c := range []struct {
		name  string
		leave func(t *testing.T, server *node)
	}{{"lost", sever}, {"told to go", tell}} {
		t.Run(c.name, func(t *testing.T) {
			inEachVersion(t, func(t *testing.T, v api.Version) {
				mux, b := api.NewTrackMux(), new(live.Broadcast)
				track := b.Track("video", api.TrackInfo{})
				if err := mux.Publish(t.Context(), "room", b); err != nil {
					t.Fatal(err)
				}
				ctx, stop := context.WithCancel(t.Context())
				go func() {
					for ctx.Err() == nil {
						_ = track.SendDatagram(api.Datagram{Payload: []byte("x")})
						time.Sleep(every)
					}
					_ = track.Close()
				}()
				server, n, s := single(t, mux, v, quick())
				defer server.Close()
				defer s.Terminate(api.SessionNoError, "")
				r := subscribe(t, s, nil)
				var seen []api.GroupSequence
				ended := make(chan error)
				go func() {
					var d api.Datagram
					for {
						if err := r.ReceiveDatagram(t.Context(), &d); err != nil {
							ended <- err
							return
						}
						seen = append(seen, d.Sequence)
					}
				}()
				time.Sleep(2 * time.Second)
				c.leave(t, server)
				time.Sleep(20 * time.Second)
				if err := n.session(0).Context().Err(); err == nil {
					t.Error("the first session is still there")
				}
				stop()
				if err := <-ended; err != io.EOF {
					t.Errorf("ended with %v", err)
				}
				if len(seen) < 200 || len(seen) != len(slices.Compact(slices.Sorted(slices.Values(seen)))) {
					t.Errorf("received %v", seen)
				}
			}, api.Lite05, api.Lite06)
		})
	}
}

// TestDatagramsAreNotSupported by old versions: the error comes at once.
func TestDatagramsAreNotSupported(t *testing.T) {
	inEachVersion(t, func(t *testing.T, v api.Version) {
		cam := newCamera(t, api.TrackInfo{}, live.Limits{})
		defer cam.stop()
		server, _, s := single(t, cam.mux, v, quick())
		defer server.Close()
		defer s.Terminate(api.SessionNoError, "")
		r := subscribe(t, s, nil)
		if err := r.ReceiveDatagram(t.Context(), new(api.Datagram)); !errors.Is(err, api.ErrNotSupported) {
			t.Errorf("%v", err)
		}
	}, api.Lite03, api.Lite04)
}
