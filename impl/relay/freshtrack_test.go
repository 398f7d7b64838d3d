package relay_test

import (
	"context"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/moqlite/moqlite/api"
	"github.com/moqlite/moqlite/api/apitest"
	"github.com/moqlite/moqlite/impl/moqtest"
)

// The publishers of the tests below, which have the same path.
const firstHop, otherHop = 4712, 4711

// connectEight is connectTwin with a publisher of eight groups, whose payloads are
// its hop.
func connectEight(t *testing.T, server *moqtest.Server, v api.Version, hop api.Hop) *twin {
	t.Helper()
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

// view lets a handler serve a viewer, who leaves after a while.
func view(t *testing.T, h api.TrackHandler, asked api.TrackRequest, d time.Duration) *apitest.TrackRecorder {
	t.Helper()
	watching, stop := context.WithTimeout(t.Context(), d)
	defer stop()
	w := apitest.NewTrackRecorder(watching, asked)
	h.ServeTrack(w)
	return w
}

// expectFrom checks that groups have come, all of one publisher.
func expectFrom(t *testing.T, w *apitest.TrackRecorder, hop api.Hop) {
	t.Helper()
	if len(w.Groups()) == 0 {
		t.Error("no group came")
	}
	for _, g := range w.Groups() {
		if got := string(g.Frames()[0].Payload); got != fmt.Sprint(hop) {
			t.Errorf("group %d is of %s, want %d", g.Sequence(), got, hop)
		}
	}
}

// handlerOf returns what a relay publishes at the path of the tests.
func handlerOf(t *testing.T, mux *api.TrackMux) api.TrackHandler {
	t.Helper()
	p, err := mux.Lookup("room")
	if err != nil {
		t.Fatal(err)
	}
	return p.Handler()
}

// asking returns a request for the track from a group on.
func asking(start api.GroupSequence) api.TrackRequest {
	return api.TrackRequest{Path: "room", Name: "video", Config: api.SubscribeConfig{StartGroup: start}}
}

// loseFirst connects the first publisher to a relay and has it describe the track,
// connects the other one, and breaks the link of the first. It returns the handler of
// the first.
func loseFirst(t *testing.T, server *moqtest.Server, mux *api.TrackMux, v api.Version) api.TrackHandler {
	t.Helper()
	lost := connectEight(t, server, v, firstHop)
	h := handlerOf(t, mux)
	if _, err := h.(api.InfoHandler).TrackInfo(t.Context(), asking(0)); err != nil {
		t.Fatal(err)
	}
	connectEight(t, server, v, otherHop)
	_ = lost.session.Terminate(api.SessionNoError, "")
	return h
}

// TestFreshTrackOfItsOrigin: a track has been described by a publisher, whose link
// breaks before the first viewer gets a group, and comes back. The relay has another
// publisher of the same path, and nobody knows whether its groups have the same
// numbers. Who has asked for a group by its number waits for the first publisher. If
// that does not come, the viewer is told, and gets the other one by asking again.
func TestFreshTrackOfItsOrigin(t *testing.T) {
	for _, c := range []struct {
		start api.GroupSequence
		back  time.Duration // 0: never
		from  api.Hop       // 0: nothing comes
	}{{0, 200 * time.Millisecond, otherHop}, {5, 200 * time.Millisecond, firstHop}, {5, 500 * time.Millisecond, firstHop}, {5, 0, 0}} {
		for _, v := range []api.Version{api.Lite04, api.Lite05, api.Lite06} {
			t.Run(fmt.Sprintf("from %d, back after %v, on %v", c.start, c.back, v), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					server, r := startRelay()
					defer server.Close()
					h := loseFirst(t, server, r.Mux(), v)
					if c.back > 0 {
						time.AfterFunc(c.back, func() { connectEight(t, server, v, firstHop) })
					}
					time.Sleep(10 * time.Millisecond)
					began := time.Now()
					w := view(t, h, asking(c.start), 2*time.Second)
					if c.from != 0 {
						expectFrom(t, w, c.from)
						return
					}
					expectLost(t, w)
					if took := time.Since(began); took > time.Second {
						t.Errorf("told after %v", took)
					}
					expectFrom(t, view(t, handlerOf(t, r.Mux()), asking(c.start), time.Second), otherHop)
				})
			})
		}
	}
}

// TestFreshTrackOfAnother: the same, but a viewer has asked for no number, and gets
// the other publisher's groups. They are not for who asks the first publisher's
// handler for a number then.
func TestFreshTrackOfAnother(t *testing.T) {
	for _, v := range []api.Version{api.Lite04, api.Lite05, api.Lite06} {
		t.Run(string(v), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				server, r := startRelay()
				defer server.Close()
				h := loseFirst(t, server, r.Mux(), v)
				time.Sleep(10 * time.Millisecond)
				unnumbered := make(chan *apitest.TrackRecorder)
				go func() { unnumbered <- view(t, h, asking(0), 2*time.Second) }()
				time.Sleep(100 * time.Millisecond)
				expectLost(t, view(t, h, asking(5), time.Second))
				expectFrom(t, <-unnumbered, otherHop)
			})
		})
	}
}

// expectLost checks that a viewer was told that the way to the publisher is lost.
func expectLost(t *testing.T, w *apitest.TrackRecorder) {
	t.Helper()
	if _, code := w.Closed(); len(w.Groups()) > 0 || code == nil || *code != api.StreamUnroutable {
		t.Errorf("got %d groups and %v, want none and %v", len(w.Groups()), code, api.StreamUnroutable)
	}
}
