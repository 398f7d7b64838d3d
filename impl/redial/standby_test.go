package redial_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/moqlite/moqlite/api"
	"github.com/moqlite/moqlite/impl/live"
	"github.com/moqlite/moqlite/impl/redial"
)

// A standby publishes the track "video" of "room", like the others with it:
// group n at n times the pace after their beginning.
type standby struct {
	session api.Session
	track   *live.Track
	stop    chan struct{} // closed when it falls silent
}

// startStandby connects a publisher, which writes groups from first on, to a
// relay.
func startStandby(t *testing.T, server *node, v api.Version, hop api.Hop, began time.Time, pace time.Duration) *standby {
	t.Helper()
	mux, b := api.NewTrackMux(), new(live.Broadcast)
	p := &standby{track: b.Track("video", api.TrackInfo{}), stop: make(chan struct{})}
	if err := mux.Publish(t.Context(), "room", b); err != nil {
		t.Fatal(err)
	}
	c := server.Client()
	c.Config = &api.Config{Versions: []api.Version{v}, Hop: hop}
	var err error
	if p.session, err = c.Dial(t.Context(), server.URL, mux); err != nil {
		t.Fatal(err)
	}
	go func() {
		defer p.track.Close()
		for seq := time.Since(began) / pace; ; seq++ {
			select {
			case <-time.After(time.Until(began.Add(seq * pace))):
			case <-p.stop:
				<-t.Context().Done()
				return
			case <-t.Context().Done():
				return
			}
			g, err := p.track.OpenGroupAt(t.Context(), api.GroupSequence(seq))
			if err != nil {
				return
			}
			_ = g.WriteFrame(api.Frame{Timestamp: uint64((seq * pace).Milliseconds()) + 1, Payload: fmt.Append(nil, int(seq))})
			_ = g.Close()
		}
	}()
	return p
}

// TestHotStandby: two publishers of one path write the same groups behind a
// relay. When the one that is read leaves, or falls silent before that, or the
// other one joins and is announced instead, a reader whose session reconnects
// goes on with the other one's groups, each once, without a RestartError.
func TestHotStandby(t *testing.T) {
	const lasts = 30 * time.Second
	for _, c := range []struct {
		name  string
		start api.GroupSequence
		pace  time.Duration
		swap  func(active *standby, join func() *standby)
	}{
		{"leaves", 0, 100 * time.Millisecond, leaves},
		{"leaves, read from the edge", api.GroupLatest, 100 * time.Millisecond, leaves},
		{"leaves, of short groups", api.GroupLatest, 20 * time.Millisecond, leaves},
		{"leaves, of long groups", api.GroupLatest, 2 * time.Second, leaves},
		{"joins", api.GroupLatest, 100 * time.Millisecond, func(_ *standby, join func() *standby) { join() }},
		{"falls silent before it leaves", 0, 100 * time.Millisecond, func(active *standby, _ func() *standby) {
			close(active.stop)
			time.Sleep(300 * time.Millisecond)
			_ = active.session.Terminate(api.SessionNoError, "")
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			inEachVersion(t, func(t *testing.T, v api.Version) {
				server := startRelay(0)
				defer server.Close()
				began := time.Now()
				join := func(hop api.Hop) *standby { return startStandby(t, server, v, hop, began, c.pace) }
				if c.name != "joins" {
					join(cameraHop)
				}
				time.Sleep(time.Second)
				active := join(cameraHop + 100)
				_, s := viewer(t, server, v, quick())
				defer s.Terminate(api.SessionNoError, "")
				time.Sleep(time.Second)
				in := read(t, subscribe(t, s, &api.SubscribeConfig{StartGroup: c.start}))
				time.Sleep(10*time.Second + c.pace/3)
				c.swap(active, func() *standby { return join(cameraHop) })
				time.Sleep(time.Until(began.Add(lasts)))
				in.checkStandby(t, api.GroupSequence((lasts-2*c.pace)/c.pace))
			})
		})
	}
}

func leaves(active *standby, _ func() *standby) {
	_ = active.session.Terminate(api.SessionNoError, "")
	close(active.stop)
}

// checkStandby fails the test unless all groups came, each once, to number
// least or higher, without a restart or an end.
func (in *reading) checkStandby(t *testing.T, least api.GroupSequence) {
	t.Helper()
	in.check(t)
	highest, _ := in.highest()
	missing := in.missing()
	in.mu.Lock()
	defer in.mu.Unlock()
	if len(in.restarts) > 0 || len(missing) > 0 || highest < least {
		t.Errorf("restarted %d times: %v; missing %v; the newest is %d, want %d", len(in.restarts), in.restarts, missing, highest, least)
	}
	select {
	case <-in.done:
		t.Errorf("the track ended with %v", in.err)
	default:
	}
}

// TestNoStandby: another publisher is announced in place of one that goes on,
// or falls silent, and its numbers are near: it counts from 0, and began soon
// after the first. The reader gets one RestartError, and no group of one
// publisher in place of the other's.
func TestNoStandby(t *testing.T) {
	for _, silent := range []bool{false, true} {
		for _, after := range []time.Duration{110 * time.Millisecond, 330 * time.Millisecond, 700 * time.Millisecond, 5 * time.Second} {
			t.Run(fmt.Sprint(after, ", silent ", silent), func(t *testing.T) {
				inEachVersion(t, func(t *testing.T, v api.Version) {
					server := startRelay(0)
					defer server.Close()
					one, two := newPublisher(t, "one"), newPublisher(t, "two")
					one.connect(t, server, v, 0)
					_, s := viewer(t, server, v, redial.Policy{})
					defer s.Terminate(api.SessionNoError, "")
					time.Sleep(time.Second)
					var told time.Duration
					time.AfterFunc(after, func() {
						if silent {
							close(one.silent)
						}
						two.connect(t, server, v, 0)
					})
					began, last := time.Now(), "one"
					r := subscribe(t, s, nil)
					for time.Since(began) < 12*time.Second {
						g, err := r.AcceptGroup(t.Context())
						if err != nil {
							if told != 0 {
								t.Fatalf("after %v: %v", time.Since(began), err)
							}
							told = time.Since(began)
							continue
						}
						var f api.Frame
						if g.ReadFrame(&f) != nil {
							continue
						}
						if name := string(f.Payload); name != last && (told == 0 || name != "two") {
							t.Fatalf("after %v, a group of %s came among those of %s, told %v", time.Since(began), name, last, told)
						} else {
							last = name
						}
					}
					if told == 0 || told-after > 1300*time.Millisecond {
						t.Errorf("told after %v", told-after)
					}
				})
			})
		}
	}
}

// TestBacklogIsNoStandby: another publisher takes the place of one that goes on, and
// its numbers are higher. The groups that it holds come all at once, when the one
// before sends the group of a number among them: the reader is told of the restart.
func TestBacklogIsNoStandby(t *testing.T) {
	const pace, held = 100 * time.Millisecond, 45
	for _, ahead := range []time.Duration{0, 10 * time.Millisecond} {
		t.Run(fmt.Sprint(ahead, " before"), func(t *testing.T) {
			inEachVersion(t, func(t *testing.T, v api.Version) {
				server := startRelay(0)
				defer server.Close()
				began := time.Now()
				startStandby(t, server, v, cameraHop, began, pace)
				_, s := viewer(t, server, v, quick())
				defer s.Terminate(api.SessionNoError, "")
				time.Sleep(time.Second)
				in := read(t, subscribe(t, s, nil))
				mux, b := api.NewTrackMux(), new(live.Broadcast)
				track := b.Track("video", api.TrackInfo{})
				for seq := range uint64(held) {
					g, err := track.OpenGroup(t.Context())
					if err != nil {
						t.Fatal(err)
					}
					_ = g.WriteFrame(api.Frame{Timestamp: 1 + 100*seq, Payload: fmt.Append(nil, seq)})
					_ = g.Close()
				}
				if err := mux.Publish(t.Context(), "room", b); err != nil {
					t.Fatal(err)
				}
				time.Sleep(time.Until(began.Add(20*pace - ahead)))
				c := server.Client()
				c.Config = &api.Config{Versions: []api.Version{v}, Hop: cameraHop + 100}
				if _, err := c.Dial(t.Context(), server.URL, mux); err != nil {
					t.Fatal(err)
				}
				time.Sleep(3 * time.Second)
				in.mu.Lock()
				defer in.mu.Unlock()
				if len(in.restarts) != 1 {
					t.Errorf("restarts %v, want one", in.restarts)
				}
			})
		})
	}
}
