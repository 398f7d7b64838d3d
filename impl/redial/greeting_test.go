package redial_test

import (
	"context"
	"errors"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/moqlite/moqlite/api"
	"github.com/moqlite/moqlite/impl/live"
	"github.com/moqlite/moqlite/impl/redial"
	"github.com/moqlite/moqlite/impl/relay"
)

// A balancer leads to a server that is about to end, until that is replaced.
type balancer struct {
	leaving atomic.Bool
	network *network
	session *redial.Session
	events  recorder
	camera  *camera
	old     *node
}

// newBalancer starts a relay that a camera publishes to, and dials it by a balancer. greet
// is called with each session that the relay accepts while it is about to end.
func newBalancer(t *testing.T, v api.Version, delay time.Duration, greet func(api.Session)) *balancer {
	t.Helper()
	b := &balancer{network: newNetwork(), camera: newCamera(t, api.TrackInfo{MaxLatency: time.Minute}, live.Limits{})}
	r := relay.New()
	b.old = newUnstartedNode(r.Mux(), func(s api.Session) {
		if b.leaving.Load() {
			go greet(s)
		}
		r.Handler(s)
	}, delay)
	b.old.Relay = r
	b.old.Start()
	b.camera.connect(t, b.old, v)
	time.Sleep(time.Second)
	b.network.add("1", b.old, v)
	policy := redial.Policy{Trace: b.events.trace()}
	b.session = dial(t, b.network, address("1"), policy, nil)
	t.Cleanup(func() {
		_ = b.session.Terminate(api.SessionNoError, "")
		b.old.Close()
	})
	time.Sleep(time.Second)
	return b
}

// leave sends the clients of the old server a GOAWAY without a place.
func (b *balancer) leave(t *testing.T) {
	b.leaving.Store(true)
	b.old.goAway(t, "")
}

// goAwaySoon sends a GOAWAY a while after the session has begun.
func goAwaySoon(s api.Session) {
	select {
	case <-time.After(150 * time.Millisecond):
		_ = s.GoAway("")
	case <-s.Context().Done():
	}
}

// TestTurnedAwayAgain: the URL leads to the server that is about to end for a while
// after its GOAWAY. The session to it serves until there is one that lasts; those that
// are turned away meanwhile are not used.
func TestTurnedAwayAgain(t *testing.T) {
	for _, c := range []struct {
		name  string
		delay time.Duration
		greet func(s api.Session)
	}{
		{"by a GOAWAY at once", 0, func(s api.Session) { _ = s.GoAway("") }},
		{"by a GOAWAY soon after", 0, goAwaySoon},
		{"by one that is far away", 150 * time.Millisecond, func(s api.Session) { _ = s.GoAway("") }},
		{"by a close", 0, func(s api.Session) { _ = s.Terminate(api.SessionNoError, "going away") }},
	} {
		t.Run(c.name, func(t *testing.T) {
			inEachVersion(t, func(t *testing.T, v api.Version) {
				b := newBalancer(t, v, c.delay, c.greet)
				in := read(t, subscribe(t, b.session, nil))
				time.Sleep(2 * time.Second)
				b.leave(t)
				time.Sleep(10 * time.Second)
				dials := len(b.network.ports()) - 1
				if dials < 3 || dials > 8 {
					t.Errorf("%d dials in ten seconds: they are to come with growing waits", dials)
				}
				for i := 1; i < dials; i++ { // the last one may just have been dialled
					if b.network.session(i).Context().Err() == nil {
						t.Errorf("session %d is still open", i)
					}
				}
				if n := b.events.count("connected"); n != 1 || b.network.session(0).Context().Err() != nil {
					t.Errorf("%d sessions were used, want the first alone: %q", n, b.events.all())
				}
				next := startRelay(c.delay)
				defer next.Close()
				b.camera.connect(t, next, v)
				b.network.add("1", next, v)
				time.Sleep(40 * time.Second)
				if n := b.events.count("connected"); n != 2 {
					t.Errorf("%d sessions were used, want two: %q", n, b.events.all())
				}
				if b.network.session(0).Context().Err() == nil || b.events.count("drained") != 1 {
					t.Error("the session that was left has not drained")
				}
				b.camera.stop()
				in.awaitEnd(t)
				in.check(t)
				if lost := in.lost(); lost != nil || in.torn != nil || in.restarts != nil {
					t.Errorf("lost %v, torn %v, restarted %v", lost, in.torn, in.restarts)
				}
			}, withOrigins...)
		})
	}
}

// TestTurnedAwayWithNothingElse: once the session that is left has ended, the next one is
// dialled at once, and used even if its server is about to end.
func TestTurnedAwayWithNothingElse(t *testing.T) {
	inEachVersion(t, func(t *testing.T, v api.Version) {
		b := newBalancer(t, v, 0, func(s api.Session) { _ = s.GoAway("") })
		b.leave(t)
		time.Sleep(20 * time.Second) // the waits are long by now
		before := len(b.network.ports())
		first := b.network.session(0)
		if err := first.Context().Err(); err != nil {
			t.Fatalf("the session that is left has ended: %v", context.Cause(first.Context()))
		}
		_ = b.old.all()[1].Terminate(api.SessionNoError, "") // the camera's came before
		time.Sleep(10 * time.Millisecond)
		b.camera.stop()
		if dials := len(b.network.ports()) - before; dials != 1 || b.events.count("connected") != 2 {
			t.Errorf("%d dials when the session had ended: %q", dials, b.events.all())
		}
	}, withOrigins...)
}

// TestTurnedAwayUntilItEnds: a server that is about to end turns new sessions away, or
// takes none, until it has ended, and is back a moment later. How long it took does not
// matter then.
func TestTurnedAwayUntilItEnds(t *testing.T) {
	refused := errors.New("connection refused")
	for name, meanwhile := range map[string]error{"turned away": nil, "refused": refused} {
		t.Run(name, func(t *testing.T) {
			inEachVersion(t, func(t *testing.T, v api.Version) {
				b := newBalancer(t, v, 0, func(s api.Session) { _ = s.Terminate(api.SessionNoError, "going away") })
				b.network.fail(meanwhile)
				b.leave(t)
				time.Sleep(20 * time.Second) // the waits are long by now
				b.network.fail(refused)
				_ = b.old.all()[1].Terminate(api.SessionNoError, "") // the camera's came before
				time.Sleep(50 * time.Millisecond)
				if b.network.session(0).Context().Err() == nil {
					t.Fatal("the session that was left has not ended")
				}
				next := startRelay(0)
				defer next.Close()
				b.network.add("1", next, v)
				b.network.fail(nil)
				time.Sleep(time.Second)
				if n := b.events.count("connected"); n != 2 {
					t.Errorf("%d sessions were used a second after the server was back, want two: %q", n, b.events.all())
				}
				b.camera.stop()
			}, withOrigins...)
		})
	}
}

// TestTurnedAwayTo is greeted by a GOAWAY that names a place: that is followed.
func TestTurnedAwayTo(t *testing.T) {
	inEachVersion(t, func(t *testing.T, v api.Version) {
		b := newBalancer(t, v, 0, func(s api.Session) { _ = s.GoAway(address("2")) })
		next := startRelay(0)
		defer next.Close()
		b.network.add("2", next, v)
		b.leave(t)
		time.Sleep(5 * time.Second)
		if ports := b.network.ports(); !slices.Equal(ports, []string{"1", "1", "2"}) {
			t.Errorf("dialled %v", ports)
		}
		b.camera.stop()
	}, withOrigins...)
}

// TestTurnedAwayEnds ends the session while it waits, and while it is greeted.
func TestTurnedAwayEnds(t *testing.T) {
	for _, after := range []time.Duration{100 * time.Millisecond, 5 * time.Second} {
		t.Run(after.String(), func(t *testing.T) {
			inEachVersion(t, func(t *testing.T, v api.Version) {
				b := newBalancer(t, v, 0, goAwaySoon)
				b.leave(t)
				time.Sleep(after)
				began := time.Now()
				_ = b.session.Terminate(api.SessionNoError, "")
				if took := time.Since(began); took > 0 {
					t.Errorf("it took %v", took)
				}
				time.Sleep(time.Second)
				for i, s := range b.old.all()[1:] { // the camera's is not the session's
					if s.Context().Err() == nil {
						t.Errorf("session %d is still open", i)
					}
				}
				b.camera.stop()
			}, withOrigins...)
		})
	}
}
