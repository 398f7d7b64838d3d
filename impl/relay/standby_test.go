package relay_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
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

// A twin publishes a live track "video" in "room" under an identity of its own.
type twin struct {
	session api.Session
	track   *live.Track
	silent  atomic.Bool // it writes nothing more
}

// connectTwin dials the relay with a publisher that has the given hop.
func connectTwin(t *testing.T, server *moqtest.Server, v api.Version, hop api.Hop) *twin {
	t.Helper()
	mux, b := api.NewTrackMux(), new(live.Broadcast)
	w := &twin{track: b.Track("video", api.TrackInfo{})}
	if err := mux.Publish(t.Context(), "room", b); err != nil {
		t.Fatal(err)
	}
	client := server.Client()
	client.Config = &api.Config{Versions: []api.Version{v}, Hop: hop}
	var err error
	if w.session, err = client.Dial(t.Context(), server.URL, mux); err != nil {
		t.Fatal(err)
	}
	return w
}

// write writes groups first to end-1, one each 100 ms, to all twins that are
// not silent.
func write(t *testing.T, first, end api.GroupSequence, twins ...*twin) {
	t.Helper()
	for seq := first; seq < end; seq++ {
		for _, w := range twins {
			if w.silent.Load() {
				continue
			}
			g, err := w.track.OpenGroupAt(t.Context(), seq)
			if err != nil {
				return // the test is over
			}
			_ = g.WriteFrame(api.Frame{Timestamp: uint64(seq+1) * 100, Payload: fmt.Append(nil, seq)})
			_ = g.Close()
		}
		select {
		case <-time.After(100 * time.Millisecond):
		case <-t.Context().Done():
			return
		}
	}
}

// TestHotStandby: two publishers of one path write the same groups. When the
// one that is read leaves, or falls silent, its viewers go on with the other.
func TestHotStandby(t *testing.T) {
	for _, v := range api.Versions() {
		for _, how := range []string{"leaves", "falls silent"} {
			t.Run(fmt.Sprintf("%s, %s", v, how), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					server, _ := startRelay()
					defer server.Close()
					standby := connectTwin(t, server, v, 4711)
					time.Sleep(time.Second)
					active := connectTwin(t, server, v, 4712)
					s := dial(t, server, v, api.NewTrackMux())
					time.Sleep(time.Second)
					go func() {
						write(t, 0, 20, standby, active)
						if how == "leaves" {
							_ = active.session.Terminate(api.SessionNoError, "")
						}
						active.silent.Store(true)
						write(t, 20, 80, standby, active)
						_ = standby.track.Close()
					}()
					r := subscribe(t, s, nil)
					seen, err := numbers(t, r)
					if err != nil || len(seen) != 80 {
						t.Errorf("groups %v, then %v; want 0 to 79; gaps %v", seen, err, r.Gaps())
					}
				})
			})
		}
	}
}

// TestSilenceIsNoticed: whenever the publisher that is read falls silent, its
// viewers get the other one's next group within four and a half seconds, and
// nothing is lost that was written in the meantime.
func TestSilenceIsNoticed(t *testing.T) {
	for _, last := range []api.GroupSequence{20, 25, 30, 35, 40, 45} {
		t.Run(fmt.Sprint(last), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				server, _ := startRelay()
				defer server.Close()
				standby := connectTwin(t, server, api.Lite06, 4711)
				time.Sleep(time.Second)
				active := connectTwin(t, server, api.Lite06, 4712)
				s := dial(t, server, api.Lite06, api.NewTrackMux())
				time.Sleep(time.Second)
				go func() {
					write(t, 0, last, standby, active)
					active.silent.Store(true)
					write(t, last, last+80, standby, active)
					_ = standby.track.Close()
				}()
				r := subscribe(t, s, nil)
				seen, dark := make(map[api.GroupSequence]bool), time.Duration(0)
				for before := time.Now(); ; before = time.Now() {
					g, err := r.AcceptGroup(t.Context())
					if err != nil {
						break
					}
					seen[g.Sequence()], dark = true, max(dark, time.Since(before))
				}
				if len(seen) != int(last)+80 || dark > 4500*time.Millisecond {
					t.Errorf("%d of %d groups, gaps %v; dark for %v", len(seen), last+80, r.Gaps(), dark)
				}
			})
		})
	}
}

// TestStandbyOfOtherNumbers: the track of a publisher that has left ends, since
// the other one at its path does not continue its groups: its numbers are far
// away, or come a second too early or too late.
func TestStandbyOfOtherNumbers(t *testing.T) {
	for _, ahead := range []api.GroupSequence{0, 5000, 90, 110} {
		t.Run(fmt.Sprint(ahead), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				server, _ := startRelay()
				defer server.Close()
				standby := connectTwin(t, server, api.Lite06, 4711)
				time.Sleep(time.Second)
				active := connectTwin(t, server, api.Lite06, 4712)
				s := dial(t, server, api.Lite06, api.NewTrackMux())
				time.Sleep(time.Second)
				go write(t, 100, 130, active)
				go write(t, ahead, ahead+100, standby)
				r := subscribe(t, s, nil)
				go func() {
					time.Sleep(2 * time.Second)
					_ = active.session.Terminate(api.SessionNoError, "")
				}()
				ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
				defer cancel()
				for {
					g, err := r.AcceptGroup(ctx)
					if err == nil && (g.Sequence() < 100 || g.Sequence() > 130) {
						t.Errorf("group %d is of another publisher", g.Sequence())
					}
					if err != nil {
						if reset, ok := errors.AsType[*api.StreamError](err); !ok || reset.Code != api.StreamUnroutable {
							t.Errorf("the track ends with %v, want unroutable", err)
						}
						break
					}
				}
				again := subscribe(t, s, nil)
				defer again.Close()
				g, err := again.AcceptGroup(ctx)
				if err != nil || g.Sequence() < ahead || g.Sequence() > ahead+100 {
					t.Errorf("asked again: %v, %v", g, err)
				}
			})
		})
	}
}

// TestSilentFromTheStart has the publisher that the relay prefers write nothing at
// first, so that another one with other numbers is tried. When the first begins
// after all, a viewer does not get groups of both.
func TestSilentFromTheStart(t *testing.T) {
	for _, late := range []time.Duration{2 * time.Second, 3100 * time.Millisecond, 3500 * time.Millisecond, 5 * time.Second} {
		t.Run(fmt.Sprint(late), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				server, _ := startRelay()
				defer server.Close()
				other := connectTwin(t, server, api.Lite06, 4711)
				time.Sleep(time.Second)
				preferred := connectTwin(t, server, api.Lite06, 4712)
				s := dial(t, server, api.Lite06, api.NewTrackMux())
				time.Sleep(time.Second)
				r := subscribe(t, s, nil)
				defer r.Close()
				go write(t, 1000, 1400, other)
				go func() {
					time.Sleep(late)
					write(t, 0, 300, preferred)
				}()
				ctx, cancel := context.WithTimeout(t.Context(), 9*time.Second)
				defer cancel()
				var seen []api.GroupSequence
				for g, err := range api.Groups(ctx, r) {
					if err != nil {
						break
					}
					seen = append(seen, g.Sequence())
				}
				slices.Sort(seen)
				if n := len(seen); n < 50 || seen[0] < 1000 && seen[n-1] >= 1000 {
					t.Errorf("%d groups, from %v", n, seen)
				}
			})
		})
	}
}

// TestNumberOfAnother: another client announces the path under the hop of its
// publisher, and serves nothing, or other numbers. Viewers keep what they have.
func TestNumberOfAnother(t *testing.T) {
	for _, how := range []string{"nothing", "lower numbers", "higher numbers", "one that fits"} {
		t.Run(how, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				server, _ := startRelay()
				defer server.Close()
				cam := connectTwin(t, server, api.Lite06, 4711)
				s := dial(t, server, api.Lite06, api.NewTrackMux())
				time.Sleep(time.Second)
				go func() {
					write(t, 100, 250, cam)
					_ = cam.track.Close()
				}()
				go func() {
					time.Sleep(2050 * time.Millisecond)
					other := connectTwin(t, server, api.Lite06, 4711)
					switch how {
					case "lower numbers":
						write(t, 0, 50, other)
					case "higher numbers":
						write(t, 1<<40, 1<<40+50, other)
					case "one that fits":
						write(t, 121, 122, other)
					}
				}()
				r := subscribe(t, s, nil)
				seen, err := numbers(t, r)
				slices.Sort(seen)
				if err != nil || len(seen) != 150 || seen[149] != 249 {
					t.Errorf("%d groups %v, then %v; want 100 to 249; gaps %v", len(seen), seen, err, r.Gaps())
				}
			})
		})
	}
}

// TestSameIdentityRestarted kills a publisher that has a hop of its own and
// starts it again: it numbers from 0. The track ends soon, so that the viewer
// asks again.
func TestSameIdentityRestarted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server, _ := startRelay()
		defer server.Close()
		one := connectTwin(t, server, api.Lite06, 4711)
		s := dial(t, server, api.Lite06, api.NewTrackMux())
		time.Sleep(time.Second)
		go func() {
			write(t, 300, 330, one) // and is silent
			time.Sleep(500 * time.Millisecond)
			write(t, 0, 200, connectTwin(t, server, api.Lite06, 4711))
		}()
		began := time.Now()
		_, err := numbers(t, subscribe(t, s, nil))
		reset, ok := errors.AsType[*api.StreamError](err)
		if !ok || reset.Code != api.StreamUnroutable || time.Since(began) > 7*time.Second {
			t.Errorf("after %v: %v", time.Since(began), err)
		}
		r := subscribe(t, s, nil)
		defer r.Close()
		g, err := r.AcceptGroup(t.Context())
		if err != nil || g.Sequence() > 200 {
			t.Errorf("asked again: %v, %v", g, err)
		}
	})
}

// TestLastingViewerOfARestart: a viewer whose session reconnects reads a
// publisher that is killed and started again, under the same hop, or another
// one.
func TestLastingViewerOfARestart(t *testing.T) {
	for name, hop := range map[string]api.Hop{"same identity": 4711, "another": 4712} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				server, _ := startRelay()
				defer server.Close()
				one := connectTwin(t, server, api.Lite06, 4711)
				s, err := impl.NewRedialer(server.Client(), redial.Policy{}).Dial(t.Context(), server.URL, api.NewTrackMux())
				if err != nil {
					t.Fatal(err)
				}
				defer s.Terminate(api.SessionNoError, "")
				time.Sleep(time.Second)
				go func() {
					write(t, 300, 330, one) // and is silent
					time.Sleep(500 * time.Millisecond)
					two := connectTwin(t, server, api.Lite06, hop)
					time.Sleep(time.Second)
					write(t, 0, 200, two)
					_ = two.track.Close()
				}()
				r := subscribe(t, s, nil)
				defer r.Close()
				restarts, last, silent := 0, time.Now(), time.Duration(0)
				for {
					g, err := r.AcceptGroup(t.Context())
					if errors.Is(err, api.ErrRestarted) {
						restarts++
						continue
					}
					if err != nil {
						if err != io.EOF {
							t.Errorf("the track ends with %v", err)
						}
						break
					}
					silent, last = max(silent, time.Since(last)), time.Now()
					g.Cancel(api.StreamCancelled)
				}
				if restarts != 1 || silent > 8*time.Second {
					t.Errorf("restarted %d times, silent for %v", restarts, silent)
				}
			})
		})
	}
}

// TestHeldGroupIsNoSignOfAStandby: the publisher that is read leaves, and another
// one of the path, which is no standby, holds a group of the number that is due next,
// written long before. Viewers do not get it among those before.
func TestHeldGroupIsNoSignOfAStandby(t *testing.T) {
	for _, v := range api.Versions() {
		t.Run(string(v), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				server, _ := startRelay()
				defer server.Close()
				publish := func(name string, w *twin, n api.GroupSequence) {
					for seq := range n {
						if seq > 0 {
							time.Sleep(time.Second)
						}
						g, err := w.track.OpenGroupAt(t.Context(), seq)
						if err != nil {
							t.Fatal(err)
						}
						_ = g.WriteFrame(api.Frame{Timestamp: 1 + 1000*uint64(seq), Payload: []byte(name)})
						_ = g.Close()
					}
				}
				publish("other", connectTwin(t, server, v, 4711), 4)
				active := connectTwin(t, server, v, 4712)
				s := dial(t, server, v, api.NewTrackMux())
				time.Sleep(10 * time.Millisecond)
				r := subscribe(t, s, nil)
				synctest.Wait()
				go func() {
					publish("active", active, 3)
					time.Sleep(600 * time.Millisecond)
					_ = active.session.Terminate(api.SessionNoError, "")
				}()
				reading, stop := context.WithTimeout(t.Context(), 20*time.Second)
				defer stop()
				read := 0
				for {
					g, err := r.AcceptGroup(reading)
					if err != nil {
						break
					}
					var f api.Frame
					if err := g.ReadFrame(&f); err == nil && string(f.Payload) != "active" {
						t.Errorf("group %d is of the %s publisher", g.Sequence(), f.Payload)
					}
					read++
				}
				if read != 3 || reading.Err() != nil {
					t.Errorf("read %d groups, want 3, and then the loss of the publisher", read)
				}
			})
		})
	}
}
