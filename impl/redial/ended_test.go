package redial_test

import (
	"testing"
	"time"

	"github.com/moqlite/moqlite/api"
	"github.com/moqlite/moqlite/impl/live"
)

// TestEndOfOtherNumbers: a publisher was restarted under the same identity,
// numbers its groups from 0 again, and has ended the track when its viewer is
// back. That gets the groups after a RestartError, and then the end.
func TestEndOfOtherNumbers(t *testing.T) {
	for _, relayed := range []bool{false, true} {
		t.Run(map[bool]string{false: "direct", true: "by a relay"}[relayed], func(t *testing.T) {
			inEachVersion(t, func(t *testing.T, v api.Version) {
				info := api.TrackInfo{MaxLatency: time.Minute}
				cam, again := newCamera(t, info, live.Limits{}), newCamera(t, info, live.Limits{})
				time.Sleep(550 * time.Millisecond)
				again.stop()
				last, _ := again.track.Latest()
				serve := func(c *camera) *node {
					if relayed {
						n := startRelay(0)
						c.connect(t, n, v)
						return n
					}
					n := newUnstartedNode(c.mux, nil, 0)
					n.Config.Config = &api.Config{Hop: cameraHop}
					n.Start()
					return n
				}
				first, second := serve(cam), serve(again)
				defer first.Close()
				defer second.Close()
				n, s := viewer(t, first, v, quick())
				defer s.Terminate(api.SessionNoError, "")
				time.Sleep(time.Second)
				in := read(t, subscribe(t, s, nil))
				time.Sleep(2 * time.Second)
				n.add("1", second, v)
				first.Sever()
				in.awaitEnd(t)
				if got, some := in.highest(); len(in.restarts) != 1 || !some || got != last {
					t.Errorf("read up to %d (%v) of %d, restarts %v", got, some, last, in.restarts)
				}
				in.check(t)
				cam.stop()
			}, withOrigins...)
		})
	}
}
