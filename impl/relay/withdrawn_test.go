package relay_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/moqlite/moqlite/api"
	"github.com/moqlite/moqlite/impl"
	"github.com/moqlite/moqlite/impl/live"
	"github.com/moqlite/moqlite/impl/moqtest"
	"github.com/moqlite/moqlite/impl/redial"
	"github.com/moqlite/moqlite/impl/relay"
)

// passedOn is the handler of a peer that passes on what others publish: its tracks
// outlive the announcement. Each writes group 0, and then does what rest does.
type passedOn struct {
	rest func(w api.TrackWriter)
}

func (p *passedOn) Origin() api.Session { return nil }

func (p *passedOn) ServeTrack(w api.TrackWriter) {
	if err := writeGroup(w, 0); err == nil {
		p.rest(w)
	}
}

func writeGroup(w api.TrackSink, seq api.GroupSequence) error {
	g, err := w.OpenGroupAt(context.Background(), seq)
	if err != nil {
		return err
	}
	_ = g.WriteFrame(api.Frame{Timestamp: uint64(seq) * 1000, Payload: fmt.Append(nil, seq)})
	return g.Close()
}

func sleep(ctx context.Context, d time.Duration) {
	select {
	case <-time.After(d):
	case <-ctx.Done():
	}
}

// An upstream is a peer that announces one broadcast until hide is called.
type upstream struct {
	server *moqtest.Server
	hide   context.CancelFunc // withdraws the broadcast
}

func newUpstream(t *testing.T, rest func(w api.TrackWriter)) *upstream {
	t.Helper()
	ctx, hide := context.WithCancel(t.Context())
	mux := api.NewTrackMux()
	if err := mux.Publish(ctx, "room", &passedOn{rest}); err != nil {
		t.Fatal(err)
	}
	server := moqtest.NewUnstartedServer(mux)
	server.Config.Config = &api.Config{Hop: 1}
	server.Start()
	return &upstream{server, hide}
}

// dialled makes a relay dial the upstream, with a session that reconnects or not.
func (u *upstream) dialled(t *testing.T, r *relay.Relay, v api.Version, lasting bool) {
	t.Helper()
	client := u.server.Client()
	client.Config = &api.Config{Hop: 2, Versions: []api.Version{v}}
	var d api.Dialer = client
	if lasting {
		d = impl.NewRedialer(client, redial.Policy{})
	}
	s, err := d.Dial(t.Context(), u.server.URL, r.Mux())
	if err != nil {
		t.Fatal(err)
	}
	go r.Handler(s)
	time.Sleep(time.Second)
}

// readWithdrawn reads, in each version and over sessions of both kinds, a track whose
// broadcast is withdrawn a while after its first group, and checks what has come of it.
// If lose is set, the connection is lost soon after that.
func readWithdrawn(t *testing.T, after time.Duration, lose bool, rest func(w api.TrackWriter), check func(t *testing.T, seen []api.GroupSequence, err error, took time.Duration)) {
	for _, lasting := range []bool{false, true} {
		for _, v := range api.Versions() {
			name := "plain, "
			if lasting {
				name = "lasting, "
			}
			t.Run(name+string(v), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					u := newUpstream(t, rest)
					defer u.server.Close()
					edge, r := startRelay()
					defer edge.Close()
					u.dialled(t, r, v, lasting)
					s := dial(t, edge, api.Lite06, api.NewTrackMux())
					reader := subscribe(t, s, nil)
					time.AfterFunc(after, u.hide)
					if lose {
						time.AfterFunc(after+200*time.Millisecond, u.server.Sever)
					}
					began := time.Now()
					seen, err := numbers(t, reader)
					check(t, seen, err, time.Since(began))
				})
			})
		}
	}
}

// TestWithdrawnTrackGoesOn: a broadcast is withdrawn while its track goes on upstream:
// silent for a while, then with its last group and its end. Viewers get both.
func TestWithdrawnTrackGoesOn(t *testing.T) {
	readWithdrawn(t, soon, false, func(w api.TrackWriter) {
		sleep(w.Context(), 5*time.Second)
		_ = writeGroup(w, 1)
		sleep(w.Context(), 8*time.Second)
	}, hasGroups(2))
}

// TestWithdrawnAfterSilence: the track was silent for long before, and its end comes a
// while after the withdrawal.
func TestWithdrawnAfterSilence(t *testing.T) {
	readWithdrawn(t, 20500*time.Millisecond, false, func(w api.TrackWriter) { sleep(w.Context(), 24*time.Second) }, hasGroups(1))
}

// TestWithdrawnAndSilentForLong: nothing more comes of such a track. It is given up.
func TestWithdrawnAndSilentForLong(t *testing.T) {
	readWithdrawn(t, soon, false, waitForSubscriber, unroutableWithin(12*time.Second))
}

// TestWithdrawnAndLost: the connection is lost after that. A session that reconnects
// waits for the publisher to come back, and viewers do not.
func TestWithdrawnAndLost(t *testing.T) {
	readWithdrawn(t, soon, true, waitForSubscriber, unroutableWithin(5*time.Second))
}

const soon = 200 * time.Millisecond

func waitForSubscriber(w api.TrackWriter) { <-w.Context().Done() }

// hasGroups returns a check that so many groups have come, and then the track's end.
func hasGroups(n int) func(*testing.T, []api.GroupSequence, error, time.Duration) {
	return func(t *testing.T, seen []api.GroupSequence, err error, _ time.Duration) {
		if len(seen) != n || err != nil {
			t.Errorf("groups %v, %v, want %d and the end", seen, err, n)
		}
	}
}

// unroutableWithin returns a check that the track was given up in a time.
func unroutableWithin(d time.Duration) func(*testing.T, []api.GroupSequence, error, time.Duration) {
	return func(t *testing.T, _ []api.GroupSequence, err error, took time.Duration) {
		if reset, ok := errors.AsType[*api.StreamError](err); !ok || reset.Code != api.StreamUnroutable || took > d {
			t.Errorf("%v, after %v", err, took)
		}
	}
}

// TestRelaysTurnToEachOther: two relays far from each other lose the publisher that both
// get, and each takes the other's announcement, which is not withdrawn yet. They notice
// that nothing comes.
func TestRelaysTurnToEachOther(t *testing.T) {
	for _, groups := range []api.GroupSequence{0, 1, 5} {
		for _, v := range api.Versions() {
			t.Run(fmt.Sprintf("after %d groups, %s", groups, v), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					const far = 300 * time.Millisecond
					one, r := startRelay()
					defer one.Close()
					other := relay.New()
					two := moqtest.NewUnstartedServer(other.Mux())
					two.Config.Handler, two.Delay = other.Handler, far
					two.Start()
					defer two.Close()
					link := dialAs(t, two, v, 77, r.Mux())
					go r.Handler(link)

					mux, b := api.NewTrackMux(), new(live.Broadcast)
					track := b.Track("video", api.TrackInfo{})
					if err := mux.Publish(t.Context(), "room", b); err != nil {
						t.Fatal(err)
					}
					atOne, atTwo := dialAs(t, one, v, 4711, mux), dialAs(t, two, v, 4711, mux)
					time.Sleep(3 * time.Second)
					readers := []api.TrackReader{
						subscribe(t, dial(t, one, v, api.NewTrackMux()), nil),
						subscribe(t, dial(t, two, v, api.NewTrackMux()), nil),
					}
					time.Sleep(3 * time.Second)
					for seq := range groups {
						_ = writeGroup(track, seq)
						time.Sleep(100 * time.Millisecond)
					}
					_ = atTwo.Terminate(api.SessionNoError, "")
					time.Sleep(far)
					_ = atOne.Terminate(api.SessionNoError, "")
					lost := time.Now()
					for _, reader := range readers {
						_, err := numbers(t, reader)
						unroutableWithin(7*time.Second)(t, nil, err, time.Since(lost))
					}
				})
			})
		}
	}
}

// dialAs dials a server as a publisher or relay of a hop.
func dialAs(t *testing.T, server *moqtest.Server, v api.Version, hop api.Hop, mux *api.TrackMux) api.Session {
	t.Helper()
	client := server.Client()
	client.Config = &api.Config{Hop: hop, Versions: []api.Version{v}}
	s, err := client.Dial(t.Context(), server.URL, mux)
	if err != nil {
		t.Fatal(err)
	}
	return s
}
