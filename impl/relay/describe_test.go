package relay_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/moqlite/moqlite/api"
	"github.com/moqlite/moqlite/impl/moqtest"
)

// TestDescribedInACircle: a viewer asks a relay for a track, whose publisher has
// just left the relay behind, and comes back by the first. That relay asks the
// other one for a description, which in turn asks the first; none may wait for
// an answer of the other.
func TestDescribedInACircle(t *testing.T) {
	for _, v := range []api.Version{api.Lite05, api.Lite06} {
		t.Run(string(v), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				core := moqtest.NewUnstartedRelay()
				core.Delay = 50 * time.Millisecond
				core.Config.Config = &api.Config{Hop: 1001}
				core.Start()
				defer core.Close()
				near := moqtest.NewUnstartedServer(core.Relay.Mux())
				near.Config.Config, near.Config.Handler = core.Config.Config, core.Relay.Handler
				near.Start()
				defer near.Close()
				edge, r := startRelay()
				defer edge.Close()
				up := core.Client()
				up.Config = &api.Config{Versions: []api.Version{v}}
				link, err := up.Dial(t.Context(), core.URL, r.Mux())
				if err != nil {
					t.Fatal(err)
				}
				go r.Handler(link)
				c := newCamera(t, t.Context(), 1000)
				first := c.connect(t, edge, v)
				time.Sleep(time.Second)
				s := dial(t, near, v, api.NewTrackMux())
				time.AfterFunc(time.Millisecond, func() { _ = first.Terminate(api.SessionNoError, "") })
				time.AfterFunc(5*time.Millisecond, func() { c.connect(t, near, v) })
				began := time.Now()
				subscribe(t, s, nil).Close()
				if took := time.Since(began); took > time.Second {
					t.Errorf("the subscription is accepted after %v", took)
				}
			})
		})
	}
}
