package relay_test

import (
	"context"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/moqlite/moqlite/api"
	"github.com/moqlite/moqlite/api/apitest"
)

// TestFreshTrackOfItsOrigin: a track has been described by a publisher, whose link
// breaks before the first viewer gets a group, and comes back. The relay has another
// publisher of the same path, and nobody knows whether its groups have the same
// numbers: who has asked for a group by its number waits for the first publisher, and
// goes on with the other one if that does not come.
func TestFreshTrackOfItsOrigin(t *testing.T) {
	const first, other = 4712, 4711
	for _, c := range []struct {
		start api.GroupSequence
		back  time.Duration // 0: never
		from  api.Hop
	}{{0, 200 * time.Millisecond, other}, {5, 200 * time.Millisecond, first}, {5, 0, other}} {
		for _, v := range []api.Version{api.Lite04, api.Lite05, api.Lite06} {
			t.Run(fmt.Sprintf("from %d, back after %v, on %v", c.start, c.back, v), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					server, r := startRelay()
					defer server.Close()
					publish := func(hop api.Hop) *twin {
						w := connectTwin(t, server, v, hop)
						for seq := range api.GroupSequence(8) {
							g, err := w.track.OpenGroupAt(t.Context(), seq)
							if err != nil {
								t.Fatal(err)
							}
							_ = g.WriteFrame(api.Frame{Payload: fmt.Append(nil, hop)})
							_ = g.Close()
						}
						time.Sleep(10 * time.Millisecond)
						return w
					}
					lost := publish(first)
					p, err := r.Mux().Lookup("room")
					if err != nil {
						t.Fatal(err)
					}
					asked := api.TrackRequest{Path: "room", Name: "video", Config: api.SubscribeConfig{StartGroup: c.start}}
					if _, err := p.Handler().(api.InfoHandler).TrackInfo(t.Context(), asked); err != nil {
						t.Fatal(err)
					}
					publish(other)
					_ = lost.session.Terminate(api.SessionNoError, "")
					if c.back > 0 {
						time.AfterFunc(c.back, func() { publish(first) })
					}
					time.Sleep(10 * time.Millisecond)
					watching, stop := context.WithTimeout(t.Context(), 2*time.Second)
					defer stop()
					w := apitest.NewTrackRecorder(watching, asked)
					p.Handler().ServeTrack(w)
					groups := w.Groups()
					if len(groups) == 0 {
						t.Fatal("no group came")
					}
					for _, g := range groups {
						if got := string(g.Frames()[0].Payload); got != fmt.Sprint(c.from) {
							t.Errorf("group %d is of %s, want %d", g.Sequence(), got, c.from)
						}
					}
				})
			})
		}
	}
}
