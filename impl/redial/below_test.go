package redial_test

import (
	"testing"
	"time"

	"github.com/moqlite/moqlite/api"
	"github.com/moqlite/moqlite/impl/live"
)

// TestMovesBelow moves the reader of a broadcast that its publisher does not
// announce: the announcement that covers it tells the origin, so that the track
// continues at once.
func TestMovesBelow(t *testing.T) {
	inEachVersion(t, func(t *testing.T, v api.Version) {
		c := newCamera(t, api.TrackInfo{MaxLatency: time.Minute}, live.Limits{})
		c.mux = api.NewTrackMux()
		if err := c.mux.PublishBelow(t.Context(), "room", c.broadcast); err != nil {
			t.Fatal(err)
		}
		first, second, n := startRelay(0), startRelay(0), newNetwork()
		defer first.Close()
		defer second.Close()
		c.connect(t, first, v)
		c.connect(t, second, v)
		n.add("1", first, v)
		n.add("2", second, v)
		s := dial(t, n, address("1"), quick(), nil)
		defer s.Terminate(api.SessionNoError, "")
		r, err := api.SubscribeWhenAnnounced(t.Context(), s, "room/north/left", "video", nil)
		if err != nil {
			t.Fatal(err)
		}
		in := read(t, r)
		time.Sleep(2050 * time.Millisecond)
		first.goAway(t, address("2"))
		time.Sleep(3 * time.Second)
		first.Close()
		time.Sleep(time.Second)
		in.mu.Lock()
		newest := in.groups[len(in.groups)-1]
		in.mu.Unlock()
		if last, _ := c.track.Latest(); newest+2 < last {
			t.Errorf("a second after its session was closed it has group %d of %d", newest, last)
		}
		c.stop()
		in.awaitEnd(t)
		in.check(t)
		if lost := in.lost(); lost != nil || in.torn != nil || in.restarts != nil {
			t.Errorf("lost %v, torn %v, restarted %v", lost, in.torn, in.restarts)
		}
	}, withOrigins...)
}
