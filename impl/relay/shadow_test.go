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
	"github.com/moqlite/moqlite/impl/moqtest"
	"github.com/moqlite/moqlite/impl/redial"
)

// TestOpenGroupOfARenewedFeed: a viewer of the newest group is followed by one
// that wants all groups, so the relay renews its feed. When the session upstream
// is lost and comes back, the one group of the track goes on.
func TestOpenGroupOfARenewedFeed(t *testing.T) {
	for _, v := range []api.Version{api.Lite04, api.Lite05, api.Lite06} {
		t.Run(string(v), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				core := moqtest.NewServer(newState(t).mux)
				defer core.Close()
				edge := moqtest.NewUnstartedRelay()
				edge.Config.Config = &api.Config{Hop: 1002}
				edge.Start()
				defer edge.Close()
				up := core.Client()
				up.Config = &api.Config{Versions: []api.Version{v}, Hop: 1002}
				link, err := impl.NewRedialer(up, redial.Policy{}).Dial(t.Context(), core.URL, edge.Relay.Mux())
				if err != nil {
					t.Fatal(err)
				}
				defer link.Terminate(api.SessionNoError, "")
				go edge.Relay.Handler(link)
				s := dial(t, edge, v, api.NewTrackMux())
				time.Sleep(time.Second)
				first := subscribe(t, s, &api.SubscribeConfig{StartGroup: api.GroupLatest})
				defer first.Close()
				time.Sleep(10 * time.Millisecond)
				second := subscribe(t, s, nil)
				defer second.Close()
				time.AfterFunc(3*time.Second, core.Sever)
				if n := follow(t, second, 10*time.Second); n < 100 {
					t.Errorf("%d frames came in 10 s", n)
				}
			})
		})
	}
}

// TestOpenGroupByAMute: a better route has the frames of an open group that
// were written, and no more, as a relay which reads the group from here. The
// group goes on by the route before, as long as that brings frames.
func TestOpenGroupByAMute(t *testing.T) {
	for _, v := range []api.Version{api.Lite04, api.Lite05, api.Lite06} {
		t.Run(string(v), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				server, _ := startRelay()
				defer server.Close()
				newState(t).connect(t, server, v)
				s := dial(t, server, v, api.NewTrackMux())
				time.Sleep(time.Second)
				r := subscribe(t, s, nil)
				defer r.Close()
				var asked atomic.Int32
				time.AfterFunc(2030*time.Millisecond, func() {
					mute := &state{api.NewTrackMux()}
					_ = mute.mux.PublishFunc(t.Context(), "room", func(w api.TrackWriter) {
						asked.Add(1)
						const written = 25
						if g, err := w.OpenGroupAt(w.Context(), 7); err == nil {
							from := w.Request().Config.StartFrame
							_ = g.SkipFrames(from)
							for i := from; i < written; i++ {
								_ = g.WriteFrame(api.Frame{Timestamp: 7, Payload: fmt.Appendf(nil, "%04d%04d", i, i)})
							}
						}
						<-w.Context().Done()
					})
					mute.connect(t, server, v)
				})
				if n := follow(t, r, 10*time.Second); n < 100 || asked.Load() == 0 {
					t.Errorf("%d frames came in 10 s, while the better route was asked %d times", n, asked.Load())
				}
			})
		})
	}
}

// TestSilentGroupOfALeftRoute: a publisher leaves a group open and is withdrawn,
// after another session of the same origin has gone on with the next group. It
// does not have the open one, whose viewers learn that when it has been silent
// for five seconds.
func TestSilentGroupOfALeftRoute(t *testing.T) {
	for _, v := range []api.Version{api.Lite04, api.Lite05, api.Lite06} {
		t.Run(string(v), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				server, _ := startRelay()
				defer server.Close()
				publish := func(first api.GroupSequence) (withdraw context.CancelFunc) {
					s := &state{api.NewTrackMux()}
					ctx, withdraw := context.WithCancel(t.Context())
					_ = s.mux.PublishFunc(ctx, "room", func(w api.TrackWriter) {
						for seq := first; w.Context().Err() == nil; seq++ {
							g, err := w.OpenGroupAt(w.Context(), seq)
							if err != nil {
								break
							}
							_ = g.WriteFrame(api.Frame{Timestamp: 7, Payload: []byte("x")})
							if seq == 1 {
								break
							}
							_ = g.Close()
							select {
							case <-time.After(100 * time.Millisecond):
							case <-w.Context().Done():
							}
						}
						<-t.Context().Done()
					})
					s.connect(t, server, v)
					return withdraw
				}
				withdraw := publish(1)
				s := dial(t, server, v, api.NewTrackMux())
				time.Sleep(time.Second)
				r := subscribe(t, s, nil)
				defer r.Close()
				g, err := r.AcceptGroup(t.Context())
				if err != nil {
					t.Fatal(err)
				}
				time.Sleep(time.Second)
				publish(2)
				time.Sleep(time.Second)
				withdraw()
				began := time.Now()
				for err == nil {
					err = g.ReadFrame(new(api.Frame))
				}
				if took := time.Since(began); err == io.EOF || took > 8*time.Second {
					t.Errorf("the open group ended after %v: %v", took, err)
				}
			})
		})
	}
}
