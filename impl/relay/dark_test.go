package relay_test

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/moqlite/moqlite/api"
	"github.com/moqlite/moqlite/impl/live"
)

// awaitFrame is a viewer whose session does not reconnect: it asks for the
// track again each half second, until a frame has come that is wanted, or for
// d. All groups are read at once.
func awaitFrame(t *testing.T, s api.Session, d time.Duration, wanted func(seq api.GroupSequence, payload string) bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), d)
	defer cancel()
	came := make(chan struct{}, 1)
	look := func(g api.GroupReader) {
		for f, err := range api.Frames(ctx, g, nil) {
			if err != nil {
				return
			}
			if wanted(g.Sequence(), string(f.Payload)) {
				select {
				case came <- struct{}{}:
				default:
				}
			}
		}
	}
	var asking sync.WaitGroup
	asking.Go(func() {
		for ctx.Err() == nil {
			if r, err := s.Subscribe(ctx, "room", "video", nil); err == nil {
				for g, err := range api.Groups(ctx, r) {
					if err != nil {
						break
					}
					asking.Go(func() { look(g) })
				}
				_ = r.Close()
			}
			time.Sleep(500 * time.Millisecond)
		}
	})
	select {
	case <-came:
	case <-ctx.Done():
		t.Errorf("nothing that was wanted has come for %v", d)
	}
	cancel()
	asking.Wait()
}

// TestEndedTrackBeginsAgain: a viewer asks again and again for a track that has
// ended. When its publisher begins it anew, the viewer gets it soon.
func TestEndedTrackBeginsAgain(t *testing.T) {
	for _, v := range api.Versions() {
		t.Run(string(v), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				server, _ := startRelay()
				defer server.Close()
				mux, b := api.NewTrackMux(), new(live.Broadcast)
				first := &twin{track: b.Track("video", api.TrackInfo{})}
				if err := mux.Publish(t.Context(), "room", b); err != nil {
					t.Fatal(err)
				}
				dial(t, server, v, mux)
				s := dial(t, server, v, api.NewTrackMux())
				time.Sleep(time.Second)
				go func() {
					write(t, 100, 110, first)
					_ = first.track.Close()
					time.Sleep(5 * time.Second)
					write(t, 0, 100, &twin{track: b.Track("video", api.TrackInfo{})})
				}()
				awaitFrame(t, s, 10*time.Second, func(seq api.GroupSequence, _ string) bool { return seq < 100 })
			})
		})
	}
}

// TestOneFarAheadOverAChangeOfRoute: one viewer waits for a group far ahead
// while the publisher moves to another session, and continues its numbers or
// begins anew. A viewer that joins then gets what it writes.
func TestOneFarAheadOverAChangeOfRoute(t *testing.T) {
	for name, from := range map[string]api.GroupSequence{"goes on": 130, "begins anew": 0} {
		for _, v := range api.Versions() {
			t.Run(fmt.Sprintf("%s, %s", name, v), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					server, _ := startRelay()
					defer server.Close()
					one := connectTwin(t, server, v, 4711)
					far, usual := dial(t, server, v, api.NewTrackMux()), dial(t, server, v, api.NewTrackMux())
					time.Sleep(time.Second)
					go write(t, 100, 130, one)
					before := subscribe(t, usual, nil)
					waiting := subscribe(t, far, &api.SubscribeConfig{StartGroup: 1 << 30})
					defer waiting.Close()
					time.Sleep(4 * time.Second)
					_ = before.Close()
					_ = one.session.Terminate(api.SessionNoError, "")
					time.Sleep(200 * time.Millisecond)
					go write(t, from, from+200, connectTwin(t, server, v, 4711))
					time.Sleep(time.Second)
					awaitFrame(t, usual, 8*time.Second, func(seq api.GroupSequence, _ string) bool { return seq < 100 || seq > 130 })
				})
			})
		}
	}
}

// TestOneGroupOfAnotherPublisher: the publisher of one open group is lost while
// another one of its path has a group of the same number. A viewer that asks
// again gets that soon.
func TestOneGroupOfAnotherPublisher(t *testing.T) {
	for _, v := range api.Versions() {
		t.Run(string(v), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				server, _ := startRelay()
				defer server.Close()
				first := publishState(t, t.Context(), server, v, 4711)
				s := dial(t, server, v, api.NewTrackMux())
				awaitFrame(t, s, time.Second, func(_ api.GroupSequence, payload string) bool { return payload == "4711" })
				go func() {
					time.Sleep(time.Second)
					publishState(t, t.Context(), server, v, 4712)
					_ = first.Terminate(api.SessionNoError, "")
				}()
				awaitFrame(t, s, 7*time.Second, func(_ api.GroupSequence, payload string) bool { return payload == "4712" })
			})
		})
	}
}

// TestSameIdentityBesideTheOldOne: a publisher begins anew under its own hop
// while the old one still writes for a moment, and then is silent in a session
// that stands.
func TestSameIdentityBesideTheOldOne(t *testing.T) {
	for _, v := range []api.Version{api.Lite04, api.Lite05, api.Lite06} {
		t.Run(string(v), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				server, _ := startRelay()
				defer server.Close()
				one := connectTwin(t, server, v, 4711)
				s := dial(t, server, v, api.NewTrackMux())
				time.Sleep(time.Second)
				go func() {
					write(t, 300, 330, one)
					two := connectTwin(t, server, v, 4711)
					go write(t, 0, 200, two)
					write(t, 330, 335, one)
				}()
				awaitFrame(t, s, 12*time.Second, func(seq api.GroupSequence, _ string) bool { return seq < 300 })
			})
		})
	}
}
