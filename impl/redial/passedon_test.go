package redial_test

import (
	"context"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/moqlite/moqlite/api"
	"github.com/moqlite/moqlite/impl/live"
)

// An unsteady handler serves a broadcast like a relay that passes on the errors
// of its own peer: it resets some requests as going away.
type unsteady struct {
	mu        sync.Mutex
	broadcast *live.Broadcast
	refuses   int // requests to come that are refused
	serving   []api.TrackWriter
}

// current returns the broadcast that is served now.
func (h *unsteady) current() *live.Broadcast {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.broadcast
}

// replace changes the broadcast that is served.
func (h *unsteady) replace(b *live.Broadcast) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.broadcast = b
}

func (h *unsteady) refuse(requests int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.refuses = requests
}

// TrackInfo implements [api.InfoHandler].
func (h *unsteady) TrackInfo(ctx context.Context, req api.TrackRequest) (api.TrackInfo, error) {
	h.mu.Lock()
	refused := h.refuses > 0
	if refused {
		h.refuses--
	}
	h.mu.Unlock()
	if refused {
		return api.TrackInfo{}, api.ErrGoingAway
	}
	return h.current().TrackInfo(ctx, req)
}

// ServeTrack implements [api.TrackHandler].
func (h *unsteady) ServeTrack(w api.TrackWriter) {
	h.mu.Lock()
	h.serving = append(h.serving, w)
	h.mu.Unlock()
	h.current().ServeTrack(w)
}

// LatestGroup implements [api.LatestHandler].
func (h *unsteady) LatestGroup(name api.TrackName) (api.GroupSequence, bool) {
	return h.current().LatestGroup(name)
}

// ServeFetch implements [api.FetchHandler].
func (h *unsteady) ServeFetch(w api.GroupWriter, req api.FetchRequest) {
	h.current().ServeFetch(w, req)
}

// leave resets all that is served as going away.
func (h *unsteady) leave() { h.reset(api.StreamGoingAway) }

func (h *unsteady) reset(code api.StreamErrorCode) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, w := range h.serving {
		_ = w.CloseWithError(code)
	}
	h.serving = nil
}

// TestGoingAwayIsPassedOn: a peer that stays resets tracks and refuses requests
// as going away, since its own upstream does. They are asked for again over the
// same session.
func TestGoingAwayIsPassedOn(t *testing.T) {
	inEachVersion(t, func(t *testing.T, v api.Version) {
		cam := newCamera(t, api.TrackInfo{}, live.Limits{})
		h, mux := &unsteady{broadcast: cam.broadcast}, api.NewTrackMux()
		if err := mux.Publish(t.Context(), "room", h); err != nil {
			t.Fatal(err)
		}
		server, n, s := single(t, mux, v, quick())
		defer server.Close()
		defer s.Terminate(api.SessionNoError, "")
		h.refuse(2)
		in := read(t, subscribe(t, s, nil))
		time.Sleep(2 * time.Second)
		h.refuse(2)
		h.leave()
		time.Sleep(3 * time.Second)
		cam.stop()
		in.awaitEnd(t)
		in.check(t)
		if last, _ := cam.track.Latest(); in.lost() != nil || in.groups[len(in.groups)-1] != last {
			t.Errorf("lost %v, read up to %d of %d", in.lost(), in.groups[len(in.groups)-1], last)
		}
		if ports := n.ports(); len(ports) != 1 || in.restarts != nil {
			t.Errorf("dialled %v, restarts %v", ports, in.restarts)
		}
	}, withOrigins...)
}

// TestGoingAwayForGood: a track that a peer refuses as going away for the whole
// ResumeTimeout is given up.
func TestGoingAwayForGood(t *testing.T) {
	inEachVersion(t, func(t *testing.T, v api.Version) {
		cam := newCamera(t, api.TrackInfo{}, live.Limits{})
		defer cam.stop()
		h, mux := &unsteady{broadcast: cam.broadcast}, api.NewTrackMux()
		if err := mux.Publish(t.Context(), "room", h); err != nil {
			t.Fatal(err)
		}
		policy := quick()
		policy.ResumeTimeout = 30 * time.Second
		server, _, s := single(t, mux, v, policy)
		defer server.Close()
		defer s.Terminate(api.SessionNoError, "")
		in := read(t, subscribe(t, s, nil))
		time.Sleep(time.Second)
		h.refuse(1 << 30)
		h.leave()
		began := time.Now()
		select {
		case <-in.done:
		case <-time.After(5 * time.Minute):
			t.Fatal("the track does not end")
		}
		if took := time.Since(began); took < 25*time.Second || took > 45*time.Second {
			t.Errorf("given up after %v: %v", took, in.err)
		}
		if _, err := s.Subscribe(t.Context(), "room", "video", nil); api.ErrorCode(err) != api.StreamGoingAway {
			t.Errorf("another subscription: %v", err)
		}
	}, withOrigins...)
}

// TestResetBeforeWithdrawal: a relay that stays resets a track as soon as its
// publisher is lost, and withdraws the broadcast a while later, as moq-relay
// does. The track goes on with the next publisher.
func TestResetBeforeWithdrawal(t *testing.T) {
	inEachVersion(t, func(t *testing.T, v api.Version) {
		mux := api.NewTrackMux()
		publish := func(name string, groups int) (h *unsteady, withdraw context.CancelFunc) {
			ctx, withdraw := context.WithCancel(t.Context())
			h = &unsteady{broadcast: new(live.Broadcast)}
			track := h.current().Track("video", api.TrackInfo{})
			if err := mux.Publish(ctx, "room", h); err != nil {
				t.Fatal(err)
			}
			for range groups {
				put(t, track, name)
			}
			return h, withdraw
		}
		one, withdraw := publish("one", 3)
		server, _, s := single(t, mux, v, quick())
		defer server.Close()
		defer s.Terminate(api.SessionNoError, "")
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		seen := make(chan sequel, 1)
		r := subscribe(t, s, nil)
		go func() { seen <- view(ctx, r) }()
		time.Sleep(time.Second)
		one.reset(api.StreamInternal)
		time.Sleep(600 * time.Millisecond)
		withdraw()
		time.Sleep(2 * time.Second)
		publish("two", 1)
		if seen := <-seen; seen.err != nil || !slices.Equal(seen.names, []string{"one", "two"}) {
			t.Errorf("saw %v, and then %v", seen.names, seen.err)
		}
	})
}

// TestReplacedUntold replaces a publisher behind a relay that does not report
// it, as moq-relay to subscribers on moq-lite-03 and 04: the track goes on when
// the relay has reset it.
func TestReplacedUntold(t *testing.T) {
	inEachVersion(t, func(t *testing.T, v api.Version) {
		var h unsteady
		next := func(name string, groups int) {
			b := new(live.Broadcast)
			track := b.Track("video", api.TrackInfo{})
			h.replace(b)
			for range groups {
				put(t, track, name)
			}
		}
		mux := api.NewTrackMux()
		next("one", 5)
		if err := mux.Publish(t.Context(), "room", &h); err != nil {
			t.Fatal(err)
		}
		server, n, s := single(t, mux, v, quick())
		defer server.Close()
		defer s.Terminate(api.SessionNoError, "")
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		time.AfterFunc(time.Second, func() {
			next("two", 3)
			h.reset(api.StreamInternal)
		})
		seen := view(ctx, subscribe(t, s, nil))
		if seen.err != nil || !slices.Equal(seen.names, []string{"one", "two"}) || len(seen.restarts) != 1 {
			t.Errorf("saw %v, restarted %v, and then %v", seen.names, seen.restarts, seen.err)
		}
		if ports := n.ports(); len(ports) != 1 {
			t.Errorf("dialled %v", ports)
		}
	})
}
