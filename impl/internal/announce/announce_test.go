package announce

import (
	"context"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/moqlite/moqlite/api"
	"github.com/moqlite/moqlite/impl/internal/control"
	"github.com/moqlite/moqlite/impl/internal/message"
	"github.com/moqlite/moqlite/transport"
	"github.com/moqlite/moqlite/transport/memconn"
)

// The hops of both ends.
const (
	sender   api.Hop = 100
	receiver api.Hop = 200
)

// A host implements announce.Host for a Hearer.
type host struct {
	violation error
	leftOut   int
	own       int
}

func (*host) PeerSetup() (api.PeerSetup, error)     { return api.PeerSetup{Hop: sender}, nil }
func (h *host) LeftOut(_ api.BroadcastPath, _ bool) { h.leftOut++ }
func (*host) MayAnnounce(api.BroadcastPath) bool    { return true }
func (*host) Refused(api.BroadcastPath)             {}
func (h *host) Own(api.BroadcastPath)               { h.own++ }
func (h *host) Violation(err error)                 { h.violation = err }
func (h *host) StreamEnd(err error) error           { return err }

// A world is a mux and the broadcasts announced on it.
type world struct {
	t    *testing.T
	rng  *rand.Rand
	mux  *api.TrackMux
	live map[api.BroadcastPath]context.CancelFunc
	hops map[api.BroadcastPath][]api.Hop
}

// step announces, updates or withdraws a random broadcast.
func (w *world) step() {
	path := api.BroadcastPath(fmt.Sprint("room/", w.rng.IntN(12)))
	route := api.Announcement{Path: path, Hops: w.chain(), Warm: w.rng.Uint64N(9)}
	end, announced := w.live[path]
	switch {
	case !announced:
		ctx, cancel := context.WithCancel(w.t.Context())
		if err := w.mux.Announce(ctx, route, api.TrackHandlerFunc(func(api.TrackWriter) {})); err != nil {
			w.t.Fatal(err)
		}
		w.live[path], w.hops[path] = cancel, route.Hops
	case w.rng.IntN(3) == 0:
		end()
		delete(w.live, path)
		delete(w.hops, path)
		synctest.Wait() // the withdrawal follows the context
	default:
		if err := w.mux.Update(route); err != nil {
			w.t.Fatal(err)
		}
		w.hops[path] = route.Hops
	}
}

// chain returns random hops, sometimes with one of the two ends.
func (w *world) chain() []api.Hop {
	hops := []api.Hop{api.Hop(1 + w.rng.IntN(3))}
	for _, hop := range []api.Hop{10, sender, receiver} {
		if w.rng.IntN(4) == 0 {
			hops = append(hops, hop)
		}
	}
	return hops
}

// heard is the announcements that a reader has received, and the resulting state.
type heard struct {
	mu      sync.Mutex
	current map[api.BroadcastPath][]api.Hop
	events  int
}

// follow receives announcements, and checks their order and their routes.
func (h *heard) follow(t *testing.T, r api.AnnouncementReader, v *message.Version) error {
	for {
		a, err := r.Receive(t.Context())
		if err != nil {
			return err
		}
		h.mu.Lock()
		h.events++
		_, active := h.current[a.Path]
		switch a.Status {
		case api.AnnouncementActive:
			if active {
				t.Errorf("%s is active twice", a.Path)
			}
			h.current[a.Path] = slices.Clone(a.Hops)
		case api.AnnouncementUpdated:
			if !active {
				t.Errorf("%s is updated, and not active", a.Path)
			}
			h.current[a.Path] = slices.Clone(a.Hops)
		case api.AnnouncementEnded:
			if !active {
				t.Errorf("%s has ended, and was not active", a.Path)
			}
			delete(h.current, a.Path)
		}
		if v.HopIDs && a.Status != api.AnnouncementEnded && slices.Contains(a.Hops, receiver) {
			t.Errorf("%s comes by %v, through this end", a.Path, a.Hops)
		}
		h.mu.Unlock()
	}
}

// talk connects a Sender of a mux and a Receiver of a version, runs f, and ends the
// stream. It returns the error after the reader's last announcement.
func talk(t *testing.T, v *message.Version, mux *api.TrackMux, limit int, f func(told *heard, h *host)) (end error) {
	there, here := memconn.Pipe(v.Name, nil, nil)
	defer there.CloseWithError(0, "")
	st, err := control.Open(t.Context(), here, v, message.StreamAnnounce, nil)
	if err != nil {
		t.Fatal(err)
	}
	sending := &Sender{Version: v, Stream: accepted(t, there, v), Mux: mux, Prefix: "room", Own: sender, Exclude: []api.Hop{receiver}, May: func(api.BroadcastPath) bool { return true }}
	ctx, cancel := context.WithCancel(t.Context())
	var h host
	receiving := NewReceiver(Settings{Version: v, Stream: st, Prefix: "room", Wanted: "room", Own: receiver, Limit: limit, Host: &h})
	told := heard{current: make(map[api.BroadcastPath][]api.Hop)}
	var tasks sync.WaitGroup
	tasks.Go(func() {
		_ = sending.Run(ctx)
		_ = sending.Stream.Close()
	})
	tasks.Go(receiving.Run)
	tasks.Go(func() { end = told.follow(t, receiving, v) })
	synctest.Wait()
	f(&told, &h)
	cancel()
	tasks.Wait()
	if h.violation != nil {
		t.Error("the sender has broken the protocol:", h.violation)
	}
	if len(told.current) > 0 {
		t.Errorf("%v is left after the end of the stream", told.current)
	}
	return end
}

// accepted returns the stream that the other end has opened.
func accepted(t *testing.T, conn transport.Conn, v *message.Version) *control.Stream {
	raw, err := conn.AcceptStream(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	st := control.New(raw, v)
	if _, err := st.ReadType(); err != nil {
		t.Fatal(err)
	}
	return st
}

// Whatever is announced, updated and withdrawn, the reader at the other end receives it in
// order: all routes that do not go through either end, and no others.
func TestAnnouncementsInOrder(t *testing.T) {
	for _, name := range api.Versions() {
		v := message.VersionByName(string(name))
		t.Run(v.Name, func(t *testing.T) {
			for seed := range uint64(20) {
				synctest.Test(t, func(t *testing.T) {
					w := &world{t, rand.New(rand.NewPCG(seed, 1)), api.NewTrackMux(), make(map[api.BroadcastPath]context.CancelFunc), make(map[api.BroadcastPath][]api.Hop)}
					for range 8 {
						w.step()
					}
					end := talk(t, v, w.mux, 1000, func(told *heard, _ *host) {
						for range 60 {
							w.step()
							if w.rng.IntN(3) == 0 {
								synctest.Wait()
								w.compare(told, v)
							}
						}
						synctest.Wait()
						w.compare(told, v)
					})
					if end != io.EOF {
						t.Errorf("the reader's end is %v", end)
					}
				})
			}
		})
	}
}

// compare compares the reader's state with the announced broadcasts.
func (w *world) compare(told *heard, v *message.Version) {
	w.t.Helper()
	told.mu.Lock()
	defer told.mu.Unlock()
	want := make(map[api.BroadcastPath][]api.Hop)
	for path, hops := range w.hops {
		if !slices.Contains(hops, sender) && !slices.Contains(hops, receiver) {
			want[path] = append(slices.Clone(hops), sender)
		}
	}
	same := func(a, b []api.Hop) bool { return len(a) == len(b) && (!v.HopIDs || slices.Equal(a, b)) }
	if !maps.EqualFunc(told.current, want, same) {
		w.t.Fatalf("the reader knows %v, want %v", told.current, want)
	}
}

// Announcements above the limit are left out, and their ends and updates are no violation.
func TestAnnouncementsBeyondTheLimit(t *testing.T) {
	for _, name := range api.Versions() {
		v := message.VersionByName(string(name))
		t.Run(v.Name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := &world{t, rand.New(rand.NewPCG(7, 7)), api.NewTrackMux(), make(map[api.BroadcastPath]context.CancelFunc), make(map[api.BroadcastPath][]api.Hop)}
				talk(t, v, w.mux, 3, func(told *heard, h *host) {
					for range 200 {
						w.step()
						synctest.Wait()
						told.mu.Lock()
						if len(told.current) > 3 {
							t.Fatalf("the reader knows %v", told.current)
						}
						told.mu.Unlock()
					}
					if h.leftOut == 0 {
						t.Error("nothing was left out")
					}
				})
			})
		})
	}
}

// startIDs behaves like a map.
func TestStartIDsAgainstModel(t *testing.T) {
	rng := rand.New(rand.NewPCG(5, 6))
	for range 100 {
		var ids startIDs
		known := make(map[uint64]api.BroadcastPath)
		left := make(map[uint64]bool)
		for n := range uint64(300) {
			path := api.BroadcastPath(fmt.Sprint("b", n))
			if rng.IntN(10) == 0 {
				ids.leaveOut()
				left[n] = true
			} else {
				ids.addPath(path)
				known[n] = path
			}
			id := rng.Uint64N(n + 3)
			want, is := known[id]
			if got, ok := ids.path(id); ok != is || got != want {
				t.Fatalf("id %d is %q, %v; want %q", id, got, ok, want)
			}
			if left[id] && !ids.mayBeLeftOut(id) {
				t.Fatalf("id %d was left out, which is not known", id)
			}
			if rng.IntN(2) == 0 {
				if got, ok := ids.removeID(id); ok != is || got != want {
					t.Fatalf("removed %q, %v as %d; want %q", got, ok, id, want)
				}
				delete(known, id)
			}
		}
		if len(ids.list) > 2*len(known)+1 {
			t.Fatalf("%d entries for %d broadcasts", len(ids.list), len(known))
		}
	}
}
