package relay_test

import (
	"context"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/moqlite/moqlite/api"
	"github.com/moqlite/moqlite/impl/moqtest"
	"github.com/moqlite/moqlite/impl/relay"
)

// core is a server that publishes a camera, to a relay that dials it.
type core struct {
	server   *moqtest.Server
	sessions chan api.Session // the server's ends
}

func newCore(c *camera) *core {
	core := &core{server: moqtest.NewUnstartedServer(c.mux), sessions: make(chan api.Session, 2)}
	core.server.Config.Config = &api.Config{Hop: 1}
	core.server.Config.Handler = func(s api.Session) { core.sessions <- s }
	core.server.Start()
	return core
}

// feed makes a relay dial the core, and returns the core's end of the session.
func (c *core) feed(t *testing.T, r *relay.Relay, v api.Version) api.Session {
	t.Helper()
	up := c.server.Client()
	up.Config = &api.Config{Hop: 2, Versions: []api.Version{v}}
	s, err := up.Dial(t.Context(), c.server.URL, r.Mux())
	if err != nil {
		t.Fatal(err)
	}
	go r.Handler(s)
	time.Sleep(time.Second)
	return <-c.sessions
}

// TestLeavingRouteIsNotPreferred: the peer of the preferred of two routes sends
// a GOAWAY. Current viewers move to the other one, and new ones are served by
// it.
func TestLeavingRouteIsNotPreferred(t *testing.T) {
	for _, v := range []api.Version{api.Lite04, api.Lite05, api.Lite06} {
		t.Run(string(v), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := newCamera(t, t.Context(), 100)
				audio := c.broadcast.Track("audio", api.TrackInfo{})
				g, _ := audio.OpenGroup(t.Context())
				_ = g.WriteFrame(api.Frame{Payload: []byte("0")})
				_ = g.Close()
				_ = audio.Close()
				core := newCore(c)
				defer core.server.Close()
				edge, r := startRelay()
				defer edge.Close()
				core.feed(t, r, v)
				preferred := core.feed(t, r, v) // the newer one
				s := dial(t, edge, api.Lite06, api.NewTrackMux())
				running := subscribe(t, s, nil)
				if err := preferred.GoAway(""); err != nil {
					t.Fatal(err)
				}
				time.Sleep(time.Second)
				ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
				defer cancel()
				late, err := s.Subscribe(ctx, "room", "audio", nil)
				if err != nil {
					t.Fatalf("while another route stands: %v", err)
				}
				if seen, err := numbers(t, late); err != nil || len(seen) != 1 {
					t.Errorf("who comes later reads %v, %v", seen, err)
				}
				_ = preferred.Terminate(api.SessionNoError, "")
				seen, err := numbers(t, running)
				if err != nil {
					t.Fatalf("after groups %v: %v", seen, err)
				}
				if last := seen[len(seen)-1]; last != 99 || len(seen) != 100-int(slices.Min(seen)) {
					t.Errorf("groups %v, want all to 99; gaps %v", seen, running.Gaps())
				}
			})
		})
	}
}

// TestOnlyRouteIsLeaving: it is used for as long as it stands.
func TestOnlyRouteIsLeaving(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCamera(t, t.Context(), 60)
		core := newCore(c)
		defer core.server.Close()
		edge, r := startRelay()
		defer edge.Close()
		only := core.feed(t, r, api.Lite06)
		s := dial(t, edge, api.Lite06, api.NewTrackMux())
		running := subscribe(t, s, nil)
		if _, err := running.AcceptGroup(t.Context()); err != nil {
			t.Fatal(err)
		}
		if err := only.GoAway(""); err != nil {
			t.Fatal(err)
		}
		if seen, err := numbers(t, running); err != nil || seen[len(seen)-1] != 59 {
			t.Errorf("read %v, %v", seen, err)
		}
		if _, err := r.Mux().Lookup("room"); err != nil {
			t.Error(err)
		}
	})
}
