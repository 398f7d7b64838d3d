package redial_test

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/moqlite/moqlite/api"
	"github.com/moqlite/moqlite/impl/live"
	"github.com/moqlite/moqlite/impl/redial"
)

// A twoRelays is two nodes that one camera publishes to, and a reader that is
// connected to the first. The second may be far away.
type twoRelays struct {
	camera        *camera
	first, second *node
	network       *network
	session       *redial.Session
	events        recorder
}

func newTwoRelays(t *testing.T, v api.Version, info api.TrackInfo, far time.Duration) *twoRelays {
	t.Helper()
	r := &twoRelays{camera: newCamera(t, info, live.Limits{}), first: startRelay(0), second: startRelay(far), network: newNetwork()}
	r.camera.connect(t, r.first, v)
	r.camera.connect(t, r.second, v)
	time.Sleep(time.Second)
	r.network.add("1", r.first, v)
	r.network.add("2", r.second, v)
	policy := quick()
	policy.Trace = r.events.trace()
	r.session = dial(t, r.network, address("1"), policy, nil)
	t.Cleanup(func() {
		_ = r.session.Terminate(api.SessionNoError, "")
		r.first.Close()
		r.second.Close()
	})
	time.Sleep(time.Second)
	return r
}

// TestMoves: a relay sends its clients to another one while they read. Nothing
// is lost, nothing comes twice, and the session that was left is closed when it
// has drained.
func TestMoves(t *testing.T) {
	for _, c := range []struct {
		name  string
		rest  time.Duration // of the reader, after each group
		far   time.Duration // to the second relay
		spoil func(r *twoRelays)
	}{
		{"at ease", 0, 0, func(*twoRelays) {}},
		{"by a slow reader", 3 * every / 2, 0, func(*twoRelays) {}},
		{"to one that is farther away", 0, 300 * time.Millisecond, func(*twoRelays) {}},
		{"and the relay is gone soon after", 0, 0, func(r *twoRelays) {
			time.AfterFunc(5*time.Second, func() { r.first.Close() })
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			inEachVersion(t, func(t *testing.T, v api.Version) {
				r := newTwoRelays(t, v, api.TrackInfo{MaxLatency: time.Minute}, c.far)
				in := readSlowly(t, subscribe(t, r.session, nil), c.rest)
				time.Sleep(2050 * time.Millisecond)
				r.first.goAway(t, address("2"))
				c.spoil(r)
				left := r.network.session(0)
				synctest.Wait()
				if ports := r.network.ports(); !slices.Equal(ports, []string{"1", "2"}) || left.Context().Err() != nil {
					t.Errorf("dialled %v, and the session that is left ended with %v: the new one is made first", ports, context.Cause(left.Context()))
				}
				time.Sleep(20 * time.Second)
				if left.Context().Err() == nil || r.events.count("drained") != 1 {
					t.Errorf("the session that was left has not drained: %+v", left.Stats())
				}
				if err := r.session.Context().Err(); err != nil {
					t.Error(err)
				}
				r.camera.stop()
				in.awaitEnd(t)
				in.check(t)
				if lost := in.lost(); lost != nil || in.torn != nil {
					t.Errorf("lost %v, torn %v", lost, in.torn)
				}
				if in.restarts != nil {
					t.Errorf("restarted: %v", in.restarts)
				}
				if last, _ := r.camera.track.Latest(); in.groups[len(in.groups)-1] != last {
					t.Errorf("read up to %v of %d", in.groups[len(in.groups)-1], last)
				}
			}, withOrigins...)
		})
	}
}

// TestMovesIdle moves a track on which nothing happens: the session that was
// left is closed all the same, and later groups come by the other.
func TestMovesIdle(t *testing.T) {
	for _, c := range []struct {
		name string
		idle time.Duration
		then []string
		want []api.GroupSequence
	}{
		{"for long", 20 * time.Second, []string{"1"}, []api.GroupSequence{0, 1}},
		{"for a moment", time.Second, []string{"1"}, []api.GroupSequence{0, 1}},
		{"to its end", time.Second, nil, []api.GroupSequence{0}},
	} {
		t.Run(c.name, func(t *testing.T) {
			inEachVersion(t, func(t *testing.T, v api.Version) {
				r := newTwoRelays(t, v, api.TrackInfo{}, 0)
				events := r.camera.broadcast.Track("events", api.TrackInfo{})
				in, err := r.session.Subscribe(t.Context(), "room", "events", nil)
				if err != nil {
					t.Fatal(err)
				}
				reading := read(t, in)
				put(t, events, "0")
				time.Sleep(time.Second)
				r.first.goAway(t, address("2"))
				time.Sleep(c.idle)
				if c.idle > 10*time.Second && r.network.session(0).Context().Err() == nil {
					t.Error("the session that was left has not drained")
				}
				for _, text := range c.then {
					put(t, events, text)
				}
				time.Sleep(time.Second)
				_ = events.Close()
				reading.awaitEnd(t)
				reading.check(t)
				if !slices.Equal(reading.groups, c.want) {
					t.Errorf("read %v", reading.groups)
				}
				time.Sleep(20 * time.Second)
				if r.network.session(0).Context().Err() == nil {
					t.Error("the session that was left has not drained at last")
				}
				r.camera.stop()
			}, withOrigins...)
		})
	}
}

// put writes a group of one frame.
func put(t *testing.T, track *live.Track, text string) {
	t.Helper()
	g, err := track.OpenGroup(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	_ = g.WriteFrame(api.Frame{Timestamp: 1, Payload: []byte(text)})
	_ = g.Close()
}

// TestMovesOften: a reader is sent from one relay to the other and back, faster
// than it can drain, or even subscribe.
func TestMovesOften(t *testing.T) {
	for _, c := range []struct {
		name string
		far  time.Duration // to the second relay
		stay time.Duration
	}{
		{"at ease", 0, 550 * time.Millisecond},
		{"with a relay that is farther away", time.Second, 2500 * time.Millisecond},
		{"before it has subscribed", time.Second, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			inEachVersion(t, func(t *testing.T, v api.Version) {
				r := newTwoRelays(t, v, api.TrackInfo{MaxLatency: time.Minute}, c.far)
				in := read(t, subscribe(t, r.session, nil))
				time.Sleep(2 * time.Second)
				nodes := []*node{r.first, r.second}
				for i := range 4 {
					r.network.await(i + 1)
					time.Sleep(c.stay)
					nodes[i%2].goAwayLast(t, address(fmt.Sprint((i+1)%2+1)))
				}
				time.Sleep(30 * time.Second)
				if ports := r.network.ports(); !slices.Equal(ports, []string{"1", "2", "1", "2", "1"}) {
					t.Errorf("dialled %v", ports)
				}
				for i := range 4 {
					if r.network.session(i).Context().Err() == nil {
						t.Errorf("session %d has not drained", i)
					}
				}
				r.camera.stop()
				in.awaitEnd(t)
				in.check(t)
				if lost := in.lost(); lost != nil || in.torn != nil || in.restarts != nil {
					t.Errorf("lost %v, torn %v, restarted %v", lost, in.torn, in.restarts)
				}
			}, withOrigins...)
		})
	}
}

// TestMovesForShutdown: a relay shuts down, and its clients get a GOAWAY. It is
// done when they have left, long before its deadline. They dial the same URL
// again, which now leads to the other relay.
func TestMovesForShutdown(t *testing.T) {
	inEachVersion(t, func(t *testing.T, v api.Version) {
		r := newTwoRelays(t, v, api.TrackInfo{MaxLatency: time.Minute}, 0)
		in := read(t, subscribe(t, r.session, nil))
		time.Sleep(2 * time.Second)
		r.network.add("1", r.second, v)
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		began := time.Now()
		if err := r.first.Config.Shutdown(ctx); err != nil {
			t.Errorf("shutdown: %v", err)
		}
		if took := time.Since(began); took > 10*time.Second {
			t.Errorf("it took %v", took)
		}
		time.Sleep(2 * time.Second)
		r.camera.stop()
		in.awaitEnd(t)
		in.check(t)
		if lost := in.lost(); lost != nil || in.torn != nil || in.restarts != nil {
			t.Errorf("lost %v, torn %v, restarted %v", lost, in.torn, in.restarts)
		}
	}, withOrigins...)
}

// TestPublicationMoves: the publisher gets a GOAWAY too. Readers at the relay
// that it leaves, and at the one it goes to, miss nothing.
func TestPublicationMoves(t *testing.T) {
	inEachVersion(t, func(t *testing.T, v api.Version) {
		cam := newCamera(t, api.TrackInfo{MaxLatency: time.Minute}, live.Limits{})
		first, second := startRelay(0), startRelay(0)
		defer first.Close()
		defer second.Close()
		publishing, reading := newNetwork(), newNetwork()
		publishing.hop = cameraHop
		for _, n := range []*network{publishing, reading} {
			n.add("1", first, v)
			n.add("2", second, v)
		}
		publisher := dial(t, publishing, address("1"), quick(), cam.mux)
		defer publisher.Terminate(api.SessionNoError, "")
		time.Sleep(time.Second)
		reader := dial(t, reading, address("1"), quick(), nil)
		defer reader.Terminate(api.SessionNoError, "")
		in := read(t, subscribe(t, reader, nil))
		time.Sleep(2 * time.Second)
		first.goAway(t, address("2"))
		time.Sleep(20 * time.Second)
		for name, n := range map[string]*network{"publisher": publishing, "reader": reading} {
			if ports := n.ports(); !slices.Equal(ports, []string{"1", "2"}) {
				t.Errorf("the %s dialled %v", name, ports)
			}
			if n.session(0).Context().Err() == nil {
				t.Errorf("the session that the %s left has not drained: %+v", name, n.session(0).Stats())
			}
		}
		cam.stop()
		in.awaitEnd(t)
		in.check(t)
		if lost := in.lost(); lost != nil || in.torn != nil || in.restarts != nil {
			t.Errorf("lost %v, torn %v, restarted %v", lost, in.torn, in.restarts)
		}
	}, withOrigins...)
}

// TestDrainIsBounded leaves sessions on which a track or a group does not end.
func TestDrainIsBounded(t *testing.T) {
	const timeout = 7 * time.Second
	for _, c := range []struct {
		name string
		hold func(t *testing.T, s api.Session, cam *camera)
	}{
		{"a group that nobody reads", func(t *testing.T, s api.Session, _ *camera) {
			if _, err := subscribe(t, s, nil).AcceptGroup(t.Context()); err != nil {
				t.Fatal(err)
			}
		}},
		{"a publication that does not end", func(t *testing.T, s api.Session, _ *camera) {}},
	} {
		t.Run(c.name, func(t *testing.T) {
			inEachVersion(t, func(t *testing.T, v api.Version) {
				cam, own := newCamera(t, api.TrackInfo{}, live.Limits{}), newCamera(t, api.TrackInfo{}, live.Limits{})
				var events recorder
				policy := quick()
				policy.DrainTimeout, policy.Trace = timeout, events.trace()
				server := newNode(cam.mux, func(s api.Session) {
					// The server reads what its client publishes.
					if r, err := s.Subscribe(t.Context(), "room", "video", nil); err == nil {
						_, _ = r.AcceptGroup(t.Context())
					}
				}, 0)
				defer server.Close()
				n := newNetwork()
				n.add("1", server, v)
				s := dial(t, n, address("1"), policy, own.mux)
				defer s.Terminate(api.SessionNoError, "")
				c.hold(t, s, cam)
				time.Sleep(time.Second)
				left := n.session(0)
				server.goAway(t, "")
				time.Sleep(timeout - time.Second)
				if left.Context().Err() != nil {
					t.Errorf("closed too early: %v", context.Cause(left.Context()))
				}
				time.Sleep(2 * time.Second)
				if err := context.Cause(left.Context()); !errors.Is(err, api.ErrGoingAway) {
					t.Errorf("after the timeout, the session ended with %v", err)
				}
				if events.count("drained") > 0 {
					t.Error("told as drained")
				}
				cam.stop()
				own.stop()
			}, withOrigins...)
		})
	}
}

// TestDrainedAtOnce leaves a session over which its client serves a track: it
// is closed at the moment when nobody reads that any more.
func TestDrainedAtOnce(t *testing.T) {
	inEachVersion(t, func(t *testing.T, v api.Version) {
		own := newCamera(t, api.TrackInfo{}, live.Limits{})
		defer own.stop()
		var read atomic.Int64
		readers := make(chan api.TrackReader, 2)
		server := newNode(api.NewTrackMux(), func(s api.Session) {
			r, err := s.Subscribe(t.Context(), "room", "video", nil)
			if err != nil {
				return
			}
			readers <- r
			for _, err := range api.Groups(t.Context(), r) {
				if err != nil {
					return
				}
				read.Add(1)
			}
		}, 0)
		defer server.Close()
		n := newNetwork()
		n.add("1", server, v)
		s := dial(t, n, address("1"), quick(), own.mux)
		defer s.Terminate(api.SessionNoError, "")
		time.Sleep(time.Second)
		left := n.session(0)
		server.goAway(t, "")
		time.Sleep(2*time.Second + 12345*time.Microsecond)
		if left.Context().Err() != nil || read.Load() == 0 {
			t.Fatalf("after %d groups, closed: %v", read.Load(), context.Cause(left.Context()))
		}
		_ = (<-readers).Close()
		synctest.Wait()
		if left.Context().Err() == nil {
			t.Errorf("not closed at once: %+v", left.Stats())
		}
	}, withOrigins...)
}

// TestTerminateWhileItDrains ends the session that was left, too.
func TestTerminateWhileItDrains(t *testing.T) {
	inEachVersion(t, func(t *testing.T, v api.Version) {
		r := newTwoRelays(t, v, api.TrackInfo{}, 0)
		if _, err := subscribe(t, r.session, nil).AcceptGroup(t.Context()); err != nil {
			t.Fatal(err)
		}
		r.first.goAway(t, address("2"))
		time.Sleep(2 * time.Second)
		if err := r.network.session(0).Context().Err(); err != nil {
			t.Fatal(err)
		}
		began := time.Now()
		_ = r.session.Terminate(api.SessionApplication, "")
		if took := time.Since(began); took > 0 {
			t.Errorf("it took %v", took)
		}
		for i := range 2 {
			err := context.Cause(r.network.session(i).Context())
			ended, ok := errors.AsType[*api.SessionError](err)
			if !ok || ended.Code != api.SessionApplication {
				t.Errorf("session %d ended with %v", i, err)
			}
		}
		r.camera.stop()
	}, withOrigins...)
}

// TestMovesEnd: servers send their clients around, each to the next, at once.
// That is followed a few times, and then with growing waits.
func TestMovesEnd(t *testing.T) {
	for _, c := range []struct {
		name string
		next map[string]string // where a server sends its clients
	}{
		{"to itself", map[string]string{"1": "1"}},
		{"in a circle", map[string]string{"1": "2", "2": "3", "3": "1"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			inEachVersion(t, func(t *testing.T, v api.Version) {
				n := newNetwork()
				for port, next := range c.next {
					server := newNode(api.NewTrackMux(), func(s api.Session) { _ = s.GoAway(address(next)) }, 0)
					defer server.Close()
					n.add(port, server, v)
				}
				s := dial(t, n, address("1"), redial.Policy{}, nil)
				time.Sleep(time.Minute)
				if dials := len(n.ports()); dials > 15 || dials < 6 {
					t.Errorf("%d dials in the first minute", dials)
				}
				before := len(n.ports())
				time.Sleep(10 * time.Minute)
				if dials := len(n.ports()) - before; dials > 100 {
					t.Errorf("%d dials in the ten minutes after", dials)
				}
				open := 0
				for i := range n.ports() {
					if n.session(i).Context().Err() == nil {
						open++
					}
				}
				if open > 2 {
					t.Errorf("%d sessions are open", open)
				}
				_ = s.Terminate(api.SessionNoError, "")
			}, withOrigins...)
		})
	}
}

// TestMovesHomeInstead dials the first URL again if the GOAWAY's leads nowhere,
// or must not be followed.
func TestMovesHomeInstead(t *testing.T) {
	for _, c := range []struct {
		name    string
		uri     string
		ports   []string
		refused bool
	}{
		{"no place named", "", []string{"1", "1"}, false},
		{"not let in", address("3"), []string{"1", "3", "1"}, false},
		{"nobody there", address("9"), []string{"1", "9", "1"}, false},
		{"another host", "moqt://elsewhere.example", []string{"1", "1"}, true},
		{"less secure", "http://relays.example:2", []string{"1", "1"}, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			inEachVersion(t, func(t *testing.T, v api.Version) {
				r := newTwoRelays(t, v, api.TrackInfo{MaxLatency: time.Minute}, 0)
				r.network.refuse("3", api.ErrUnauthorized)
				in := read(t, subscribe(t, r.session, nil))
				time.Sleep(time.Second)
				r.first.goAway(t, c.uri)
				time.Sleep(10 * time.Second)
				if ports := r.network.ports(); !slices.Equal(ports, c.ports) {
					t.Errorf("dialled %v, want %v", ports, c.ports)
				}
				if refused := r.events.count("refused") > 0; refused != c.refused {
					t.Errorf("refused: %v", refused)
				}
				if r.network.session(0).Context().Err() == nil {
					t.Error("the session that was left has not drained")
				}
				r.camera.stop()
				in.awaitEnd(t)
				in.check(t)
				if lost := in.lost(); lost != nil || in.restarts != nil {
					t.Errorf("lost %v, restarted %v", lost, in.restarts)
				}
			}, withOrigins...)
		})
	}
}

// TestTokenStaysAtItsOrigin follows a redirect to another host that the policy
// allows: the credentials are not sent there.
func TestTokenStaysAtItsOrigin(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server := newNode(api.NewTrackMux(), nil, 0)
		defer server.Close()
		var (
			mu      sync.Mutex
			dialled []string
		)
		client := server.Client()
		d := dialerFunc(func(ctx context.Context, target string, mux *api.TrackMux) (api.Session, error) {
			mu.Lock()
			dialled = append(dialled, target)
			mu.Unlock()
			return client.Dial(ctx, server.URL, mux)
		})
		policy := quick()
		policy.Redirect = func(_, to *url.URL) bool { return to.Hostname() == "other.example" }
		policy.Lookup = func(context.Context, string) ([]netip.Addr, error) {
			return []netip.Addr{netip.MustParseAddr("8.8.8.8")}, nil
		}
		s := dial(t, d, "moqt://u:p@here.example/root?jwt=secret", policy, nil)
		defer s.Terminate(api.SessionNoError, "")
		for _, uri := range []string{"moqt://other.example", "moqt://here.example/root", "moqt://u:q@other.example"} {
			time.Sleep(20 * time.Second)
			server.goAwayLast(t, uri)
		}
		time.Sleep(time.Second)
		synctest.Wait()
		const home = "moqt://u:p@here.example/root?jwt=secret"
		if want := []string{home, "moqt://other.example/root", home, home}; !slices.Equal(dialled, want) {
			t.Errorf("dialled\n%s\nwant\n%s", strings.Join(dialled, "\n"), strings.Join(want, "\n"))
		}
	})
}
