package relay_test

import (
	"context"
	"fmt"
	"io"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/moqlite/moqlite/api"
	"github.com/moqlite/moqlite/impl"
	"github.com/moqlite/moqlite/impl/live"
	"github.com/moqlite/moqlite/impl/moqtest"
	"github.com/moqlite/moqlite/impl/redial"
)

// A state is a track "video" of "room" with one group that stays open: a
// catalog, a state, a log. It writes a frame each 100 ms, in two halves; the
// frame contains its index twice.
type state struct{ mux *api.TrackMux }

func newState(t *testing.T) *state {
	t.Helper()
	s, b := &state{api.NewTrackMux()}, new(live.Broadcast)
	track := b.Track("video", api.TrackInfo{})
	if err := s.mux.Publish(t.Context(), "room", b); err != nil {
		t.Fatal(err)
	}
	g, err := track.OpenGroupAt(t.Context(), 7)
	if err != nil {
		t.Fatal(err)
	}
	ticker := time.NewTicker(50 * time.Millisecond)
	t.Cleanup(ticker.Stop)
	go func() {
		var body io.Writer
		for i := 0; ; i++ {
			if i%2 == 0 {
				body, _ = g.StartFrame(api.FrameHeader{Timestamp: uint64(i+1) * 50, Size: 8})
			}
			_, _ = fmt.Fprintf(body, "%04d", i/2)
			select {
			case <-ticker.C:
			case <-t.Context().Done():
				return
			}
		}
	}()
	return s
}

// connect publishes the state by one more session, always with the same hop.
func (s *state) connect(t *testing.T, server *moqtest.Server, v api.Version) api.Session {
	t.Helper()
	client := server.Client()
	client.Config = &api.Config{Versions: []api.Version{v}, Hop: 4711}
	session, err := client.Dial(t.Context(), server.URL, s.mux)
	if err != nil {
		t.Fatal(err)
	}
	return session
}

// follow reads the open group for a while, and returns how many frames came. All
// must be there, from the first on.
func follow(t *testing.T, r api.TrackReader, d time.Duration) (frames int) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), d)
	defer cancel()
	g, err := r.AcceptGroup(ctx)
	if err != nil {
		t.Errorf("no group: %v", err)
		return 0
	}
	for f, err := range api.Frames(ctx, g, nil) {
		if ctx.Err() != nil {
			break
		}
		if err != nil {
			t.Errorf("after %d frames: %v", frames, err)
			break
		}
		if want := fmt.Sprintf("%04d%04d", frames, frames); string(f.Payload) != want {
			t.Errorf("frame %d has %q", frames, f.Payload)
		}
		frames++
	}
	return frames
}

// TestOpenGroupOverAChangeOfRoute removes the route of a track of one open
// group within a frame: its readers go on, and later ones get all of it.
func TestOpenGroupOverAChangeOfRoute(t *testing.T) {
	changes := map[string]func(t *testing.T, first api.Session, connect func() api.Session){
		"a better route": func(_ *testing.T, _ api.Session, connect func() api.Session) { connect() },
		"lost, with another": func(_ *testing.T, first api.Session, connect func() api.Session) {
			connect()
			_ = first.Terminate(api.SessionNoError, "")
		},
		"lost, and back": func(_ *testing.T, first api.Session, connect func() api.Session) {
			_ = first.Terminate(api.SessionNoError, "")
			time.Sleep(200 * time.Millisecond)
			connect()
		},
		"again and again": func(_ *testing.T, first api.Session, connect func() api.Session) {
			for range 4 {
				next := connect()
				time.Sleep(770 * time.Millisecond)
				_ = first.Terminate(api.SessionNoError, "")
				first = next
			}
		},
	}
	for name, change := range changes {
		for _, v := range []api.Version{api.Lite04, api.Lite05, api.Lite06} {
			t.Run(fmt.Sprintf("%s, %s", name, v), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					server, _ := startRelay()
					defer server.Close()
					state := newState(t)
					first := state.connect(t, server, v)
					s := dial(t, server, v, api.NewTrackMux())
					time.Sleep(time.Second)
					running := subscribe(t, s, nil)
					defer running.Close()
					later := make(chan int)
					go func() {
						time.Sleep(2030 * time.Millisecond)
						change(t, first, func() api.Session { return state.connect(t, server, v) })
						time.Sleep(time.Second)
						r := subscribe(t, s, nil)
						defer r.Close()
						later <- follow(t, r, 4*time.Second)
					}()
					if n := follow(t, running, 20*time.Second); n < 200 {
						t.Errorf("%d frames came in 20 s, want 210", n)
					}
					if n := <-later; n < 60 {
						t.Errorf("a later viewer got %d frames", n)
					}
				})
			})
		}
	}
}

// TestOpenGroupThatCannotGoOn loses its publisher for good: the group is reset,
// and does not end regularly.
func TestOpenGroupThatCannotGoOn(t *testing.T) {
	for _, v := range api.Versions() {
		t.Run(string(v), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				server, _ := startRelay()
				defer server.Close()
				publisher := newState(t).connect(t, server, v)
				s := dial(t, server, v, api.NewTrackMux())
				time.Sleep(time.Second)
				r := subscribe(t, s, nil)
				defer r.Close()
				g, err := r.AcceptGroup(t.Context())
				if err != nil {
					t.Fatal(err)
				}
				time.Sleep(time.Second)
				_ = publisher.Terminate(api.SessionNoError, "")
				for f, err := range api.Frames(t.Context(), g, nil) {
					if err != nil {
						return
					}
					if len(f.Payload) != 8 {
						t.Errorf("a frame has %q", f.Payload)
					}
				}
				t.Error("the group is told as whole")
			})
		})
	}
}

// TestOpenGroupOfOnePublisher: a publisher leaves while another one of the same
// path and group is at the relay of its viewer. That relay dials the first
// one's relay with a session that reconnects, so it learns half a second late
// that the publisher has left; its viewer reads nothing of the other one in the
// group meanwhile.
func TestOpenGroupOfOnePublisher(t *testing.T) {
	for _, v := range []api.Version{api.Lite05, api.Lite06} {
		t.Run(string(v), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				core, _ := startRelay()
				defer core.Close()
				edge := moqtest.NewUnstartedRelay()
				r := edge.Relay
				edge.Config.Config = &api.Config{Hop: 1002}
				edge.Start()
				defer edge.Close()
				up := core.Client()
				up.Config = &api.Config{Versions: []api.Version{v}, Hop: 1002}
				link, err := impl.NewRedialer(up, redial.Policy{}).Dial(t.Context(), core.URL, r.Mux())
				if err != nil {
					t.Fatal(err)
				}
				defer link.Terminate(api.SessionNoError, "")
				go r.Handler(link)
				ctx, leave := context.WithCancel(t.Context())
				publishState(t, ctx, core, v, 4711)
				sub := subscribe(t, dial(t, edge, v, api.NewTrackMux()), nil)
				defer sub.Close()
				g, err := sub.AcceptGroup(t.Context())
				if err != nil {
					t.Fatal(err)
				}
				publishState(t, t.Context(), edge, v, 4712)
				time.AfterFunc(2030*time.Millisecond, leave)
				frames := 0
				for f, err := range api.Frames(t.Context(), g, nil) {
					if err != nil {
						break
					}
					if string(f.Payload) != "4711" {
						t.Fatalf("frame %d is of publisher %s", frames, f.Payload)
					}
					frames++
				}
				if frames < 20 {
					t.Errorf("%d frames came", frames)
				}
			})
		})
	}
}

// publishState publishes a track of one group with a frame each 100 ms, which
// contains the publisher's hop, until ctx ends.
func publishState(t *testing.T, ctx context.Context, server *moqtest.Server, v api.Version, hop api.Hop) api.Session {
	t.Helper()
	mux, b := api.NewTrackMux(), new(live.Broadcast)
	track := b.Track("video", api.TrackInfo{})
	if err := mux.Publish(ctx, "room", b); err != nil {
		t.Fatal(err)
	}
	client := server.Client()
	client.Config = &api.Config{Versions: []api.Version{v}, Hop: hop}
	session, err := client.Dial(t.Context(), server.URL, mux)
	if err != nil {
		t.Fatal(err)
	}
	g, err := track.OpenGroup(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	go func() {
		for i := uint64(1); ; i++ {
			_ = g.WriteFrame(api.Frame{Timestamp: i * 100, Payload: fmt.Append(nil, hop)})
			select {
			case <-time.After(100 * time.Millisecond):
			case <-t.Context().Done():
				return
			}
		}
	}()
	time.Sleep(time.Second)
	return session
}

// TestOpenGroupGoesOnByTheFeed: a group breaks off and goes on by a fetch. When
// the feed is renewed, because another viewer wants older groups, it brings the
// group as well. The feed outlives the fetch, which breaks off too.
func TestOpenGroupGoesOnByTheFeed(t *testing.T) {
	for _, v := range []api.Version{api.Lite05, api.Lite06} {
		t.Run(string(v), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				server, _ := startRelay()
				defer server.Close()
				const group = 7
				write := func(g api.GroupWriter, first, frames int) {
					for i := first; i < frames; i++ {
						_ = g.WriteFrame(api.Frame{Timestamp: uint64(i+1) * 100, Payload: fmt.Appendf(nil, "%04d%04d", i, i)})
						select {
						case <-time.After(100 * time.Millisecond):
						case <-g.Context().Done():
							return
						}
					}
					g.Cancel(api.StreamDeliveryTimeout)
				}
				var served, fetched atomic.Int32
				mux := api.NewTrackMux()
				_ = mux.Publish(t.Context(), "room", api.TrackFuncs{
					Serve: func(w api.TrackWriter) {
						frames := 10
						if served.Add(1) > 1 {
							frames = 100
						}
						if g, err := w.OpenGroupAt(w.Context(), group); err == nil {
							write(g, 0, frames)
						}
						<-w.Context().Done()
					},
					Fetch: func(w api.GroupWriter, req api.FetchRequest) {
						if fetched.Add(1) > 1 {
							w.Cancel(api.StreamNotFound)
							return
						}
						_ = w.SkipFrames(req.StartFrame)
						write(w, int(req.StartFrame), 40)
					},
				})
				dial(t, server, v, mux)
				s := dial(t, server, v, api.NewTrackMux())
				time.Sleep(time.Second)
				r := subscribe(t, s, &api.SubscribeConfig{StartGroup: group})
				defer r.Close()
				time.AfterFunc(2500*time.Millisecond, func() {
					_ = subscribe(t, s, &api.SubscribeConfig{StartGroup: 1})
				})
				if n := follow(t, r, 8*time.Second); n < 50 {
					t.Errorf("%d frames came in 8 s, of a group that was fetched %d times in %d feeds", n, fetched.Load(), served.Load())
				}
			})
		})
	}
}

// TestOpenGroupIsWantedAgain: the relay dials upstream by a session that
// reconnects. For a while, only the groups after the open one are wanted, so
// upstream is asked for these. When the connection is lost later, a viewer that
// has come for the open group since gets the rest of it.
func TestOpenGroupIsWantedAgain(t *testing.T) {
	for _, v := range []api.Version{api.Lite04, api.Lite05, api.Lite06} {
		t.Run(string(v), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				core := moqtest.NewUnstartedServer(newState(t).mux)
				core.Config.Config = &api.Config{Hop: 1}
				core.Start()
				defer core.Close()
				edge, r := startRelay()
				defer edge.Close()
				up := core.Client()
				up.Config = &api.Config{Versions: []api.Version{v}}
				link, err := impl.NewRedialer(up, redial.Policy{}).Dial(t.Context(), core.URL, r.Mux())
				if err != nil {
					t.Fatal(err)
				}
				defer link.Terminate(api.SessionNoError, "")
				go r.Handler(link)
				s := dial(t, edge, v, api.NewTrackMux())
				time.Sleep(time.Second)
				first := subscribe(t, s, nil)
				follow(t, first, time.Second)
				next := subscribe(t, s, &api.SubscribeConfig{StartGroup: 8})
				defer next.Close()
				_ = first.Close()
				time.Sleep(time.Second)
				again := subscribe(t, s, nil)
				defer again.Close()
				time.AfterFunc(2030*time.Millisecond, core.Sever)
				if n := follow(t, again, 20*time.Second); n < 200 {
					t.Errorf("%d frames came in 20 s, want 230", n)
				}
			})
		})
	}
}
