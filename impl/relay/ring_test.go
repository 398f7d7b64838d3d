package relay_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/moqlite/moqlite/api"
	"github.com/moqlite/moqlite/impl/moqtest"
	"github.com/moqlite/moqlite/impl/relay"
)

// logbook keeps what is logged.
type logbook struct {
	mu   sync.Mutex
	text strings.Builder
}

func (l *logbook) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *logbook) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// A ring is some relays of which each dials the next one, and the last the
// first by moq-lite-03, so that nobody knows which announcements have come
// round.
type ring struct {
	version api.Version // of the publisher, and of the links but the last
	delay   time.Duration
	servers []*moqtest.Server
	relays  []*relay.Relay
	links   []api.Session // from each relay to the next
	log     logbook
}

func newRing(t *testing.T, v api.Version, n int, delay time.Duration) *ring {
	t.Helper()
	ring := &ring{version: v, delay: delay}
	for i := range n {
		server := moqtest.NewUnstartedRelay()
		server.Relay.Logger = slog.New(slog.NewTextHandler(&ring.log, nil))
		server.Delay = delay
		server.Config.Config = &api.Config{Hop: api.Hop(i + 1)}
		server.Start()
		ring.servers, ring.relays = append(ring.servers, server), append(ring.relays, server.Relay)
	}
	for i := range n {
		client := ring.servers[(i+1)%n].Client()
		client.Config = &api.Config{Versions: []api.Version{v}, Hop: api.Hop(i + 1)}
		if i == n-1 {
			client.Config.Versions = []api.Version{api.Lite03}
		}
		s, err := client.Dial(t.Context(), ring.servers[(i+1)%n].URL, ring.relays[i].Mux())
		if err != nil {
			t.Fatal(err)
		}
		ring.links = append(ring.links, s)
		go ring.relays[i].Handler(s)
	}
	return ring
}

func (r *ring) Close() {
	for _, server := range r.servers {
		server.Close()
	}
}

// announcing returns the relays that announce "room".
func (r *ring) announcing() (those []int) {
	for i := range r.relays {
		if _, err := r.relays[i].Mux().Lookup("room"); err == nil {
			those = append(those, i)
		}
	}
	return those
}

// gone returns how long it takes until all have withdrawn what has left. Relays
// that know the publisher each hold the withdrawal for a while, the others do
// not.
func (r *ring) gone() time.Duration {
	holds := 1
	if r.version != api.Lite03 {
		holds = len(r.relays)
	}
	return time.Duration(holds)*600*time.Millisecond + time.Duration(len(r.relays)+2)*100*time.Millisecond
}

// doubts reports whether a relay surely has a route in doubt when a publisher
// leaves. In a ring of an even number, only one neighbour of the farthest relay
// has a route by that one; without a delay, the withdrawal by the other side may
// be faster and take it away.
func (r *ring) doubts() bool {
	n := len(r.relays)
	return n > 2 && (n%2 != 0 || r.delay > 0)
}

// onRings runs a test with rings of some sizes, without and with a delay.
func onRings(t *testing.T, f func(t *testing.T, r *ring)) {
	for _, v := range []api.Version{api.Lite03, api.Lite05, api.Lite06} {
		for _, n := range []int{2, 3, 4, 7} {
			for _, delay := range []time.Duration{0, 50 * time.Millisecond} {
				t.Run(fmt.Sprintf("%s, %d relays, %v", v, n, delay), func(t *testing.T) {
					synctest.Test(t, func(t *testing.T) {
						r := newRing(t, v, n, delay)
						defer r.Close()
						time.Sleep(time.Second)
						f(t, r)
					})
				})
			}
		}
	}
}

// TestPublisherLeavesRing of relays: the announcement does not go round after
// it, and the tracks end.
func TestPublisherLeavesRing(t *testing.T) {
	for _, how := range []string{"lost", "withdrawn", "soon withdrawn"} {
		t.Run(how, func(t *testing.T) {
			onRings(t, func(t *testing.T, r *ring) {
				ctx, cancel := context.WithCancel(t.Context())
				c := newCamera(t, ctx, 1000)
				publisher := c.connect(t, r.servers[0], r.version)
				var viewers sync.WaitGroup
				if how != "soon withdrawn" {
					time.Sleep(time.Second)
					for _, server := range r.servers {
						reader := subscribe(t, dial(t, server, r.version, nil), nil)
						viewers.Go(func() { _, _ = numbers(t, reader) })
					}
					time.Sleep(2 * time.Second)
					if those := r.announcing(); len(those) != len(r.relays) {
						t.Fatalf("the relays %v announce", those)
					}
				} else {
					time.Sleep(160 * time.Millisecond) // under way round the ring
				}
				if how == "lost" {
					_ = publisher.Terminate(api.SessionNoError, "")
				}
				cancel()
				time.Sleep(r.gone())
				for range 200 {
					if those := r.announcing(); len(those) > 0 {
						t.Fatalf("the relays %v announce a publisher that has left", those)
					}
					time.Sleep(100 * time.Millisecond)
				}
				viewers.Wait()
				if n := c.track.Subscribers(); n != 0 {
					t.Errorf("%d subscriptions are left", n)
				}
				if text := r.log.String(); how != "soon withdrawn" && r.doubts() && !strings.Contains(text, `\"room\"`) {
					t.Errorf("logged %q", text)
				}
			})
		})
	}
}

// TestProgramLeavesRing as a publisher does.
func TestProgramLeavesRing(t *testing.T) {
	onRings(t, func(t *testing.T, r *ring) {
		ctx, cancel := context.WithCancel(t.Context())
		_ = r.relays[0].Mux().PublishFunc(ctx, "room", idle)
		time.Sleep(2 * time.Second)
		cancel()
		time.Sleep(r.gone())
		for range 200 {
			if those := r.announcing(); len(those) > 0 {
				t.Fatalf("the relays %v announce what a program has withdrawn", those)
			}
			time.Sleep(100 * time.Millisecond)
		}
	})
}

// TestRingServesOnce wherever the viewers are.
func TestRingServesOnce(t *testing.T) {
	onRings(t, func(t *testing.T, r *ring) {
		c := newCamera(t, t.Context(), 60)
		c.connect(t, r.servers[0], r.version)
		time.Sleep(time.Second)
		var viewers sync.WaitGroup
		for i, server := range r.servers {
			reader := subscribe(t, dial(t, server, r.version, nil), nil)
			viewers.Go(func() {
				seen, err := numbers(t, reader)
				times := make(map[api.GroupSequence]int)
				for _, seq := range seen {
					if times[seq]++; times[seq] > 1 {
						t.Errorf("relay %d: group %d came again", i, seq)
					}
				}
				if err != nil || len(seen) < 40 || len(reader.Gaps()) > 0 {
					t.Errorf("relay %d: %d groups, gaps %v, %v", i, len(seen), reader.Gaps(), err)
				}
			})
		}
		time.Sleep(2 * time.Second)
		if n := c.track.Subscribers(); n != 1 {
			t.Errorf("%d subscriptions upstream", n)
		}
		viewers.Wait()
	})
}

// TestRingFindsTheOtherWay: when a link breaks, a route that may have come
// round is used after it has stood for a while.
func TestRingFindsTheOtherWay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRing(t, api.Lite03, 3, 10*time.Millisecond)
		defer r.Close()
		time.Sleep(time.Second)
		c := newCamera(t, t.Context(), 1000)
		c.connect(t, r.servers[0], api.Lite03)
		time.Sleep(time.Second)
		_ = r.links[0].Terminate(api.SessionNoError, "") // between the first and the second
		time.Sleep(time.Second)
		if those := r.announcing(); len(those) != 2 {
			t.Errorf("the relays %v announce while the other way is in doubt", those)
		}
		time.Sleep(5 * time.Second)
		if those := r.announcing(); len(those) != 3 {
			t.Errorf("the relays %v announce after that", those)
		}
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		defer cancel()
		reader := subscribe(t, dial(t, r.servers[1], api.Lite03, nil), nil)
		if _, err := reader.AcceptGroup(ctx); err != nil {
			t.Error(err)
		}
		_ = reader.Close()
	})
}

// TestAnotherPublisherInARing takes over from one that leaves.
func TestAnotherPublisherInARing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRing(t, api.Lite03, 3, 10*time.Millisecond)
		defer r.Close()
		first := newCamera(t, t.Context(), 1000).connect(t, r.servers[0], api.Lite03)
		time.Sleep(time.Second)
		newCamera(t, t.Context(), 1000).connect(t, r.servers[1], api.Lite03)
		time.Sleep(time.Second)
		_ = first.Terminate(api.SessionNoError, "")
		time.Sleep(8 * time.Second)
		if those := r.announcing(); len(those) != 3 {
			t.Errorf("the relays %v announce the other publisher", those)
		}
		for _, server := range r.servers {
			ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
			reader := subscribe(t, dial(t, server, api.Lite03, nil), nil)
			if _, err := reader.AcceptGroup(ctx); errors.Is(err, context.DeadlineExceeded) {
				t.Error(err)
			}
			_ = reader.Close()
			cancel()
		}
	})
}
