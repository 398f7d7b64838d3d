package relay_test

import (
	"context"
	"errors"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/moqlite/moqlite/api"
	"github.com/moqlite/moqlite/impl"
	"github.com/moqlite/moqlite/impl/moqtest"
	"github.com/moqlite/moqlite/impl/redial"
	"github.com/moqlite/moqlite/impl/relay"
)

// running returns the stacks of all goroutines that run code of the relay,
// after those that are about to end have ended.
func running() (stacks []string) {
	synctest.Wait()
	buf := make([]byte, 4<<20)
	buf = buf[:runtime.Stack(buf, true)]
	for stack := range strings.SplitSeq(string(buf), "\n\n") {
		if strings.Contains(stack, "moqlite/impl/relay.") {
			stacks = append(stacks, stack)
		}
	}
	return stacks
}

// whileBusy brings a relay into all its states at once, and calls f.
func whileBusy(t *testing.T, v api.Version, f func(server *moqtest.Server, viewer api.Session, reading api.TrackReader)) {
	server := moqtest.NewRelay()
	defer server.Close()
	c := newCamera(t, t.Context(), 1000)
	c.connect(t, server, v)
	c.connect(t, server, v) // a better route

	mux := api.NewTrackMux()
	hang := func(ctx context.Context) error { <-ctx.Done(); return context.Cause(ctx) }
	_ = mux.Publish(t.Context(), "hangs", api.TrackFuncs{
		Info: func(ctx context.Context, r api.TrackRequest) (api.TrackInfo, error) {
			if r.Name == "info" {
				return api.TrackInfo{}, hang(ctx)
			}
			return api.TrackInfo{}, nil
		},
		Serve: func(w api.TrackWriter) {
			if g, err := w.OpenGroup(w.Context()); err == nil { // which has no end
				_ = g.WriteFrame(api.Frame{Payload: []byte("begun")})
			}
			_ = hang(w.Context())
		},
		Fetch: func(w api.GroupWriter, _ api.FetchRequest) { _ = hang(w.Context()) },
	})
	_ = mux.PublishFunc(t.Context(), "short", serve("short", 3)) // which lingers
	_ = mux.PublishBelow(t.Context(), "all", echo("all", 3))
	dial(t, server, v, mux)
	gone := dial(t, server, v, withPath(t, "gone")) // whose withdrawal is held
	viewer := dial(t, server, v, api.NewTrackMux())
	time.Sleep(time.Second)

	reading := subscribe(t, viewer, nil)
	subscribe(t, viewer, nil) // by one who does not read
	readAll(t, viewer, "short")
	readAll(t, viewer, "all/below")
	asked, stop := context.WithCancel(t.Context())
	defer stop()
	for _, ask := range []func(){
		func() { _, _ = viewer.Subscribe(asked, "hangs", "info", nil) },
		func() { _, _ = viewer.Fetch(asked, api.FetchRequest{Path: "hangs", Name: "fetch", Group: 3}) },
	} {
		go ask()
	}
	if _, err := viewer.Subscribe(t.Context(), "hangs", "open", nil); err != nil {
		t.Fatal(err)
	}
	time.Sleep(time.Second)
	_ = gone.Terminate(api.SessionNoError, "")
	time.Sleep(100 * time.Millisecond)
	synctest.Wait()
	f(server, viewer, reading)
}

// withPath returns a mux in which something is published at a path.
func withPath(t *testing.T, path api.BroadcastPath) *api.TrackMux {
	t.Helper()
	mux := api.NewTrackMux()
	if err := mux.PublishFunc(t.Context(), path, idle); err != nil {
		t.Fatal(err)
	}
	return mux
}

// TestCloseEndsAllThatRuns of a relay: at once, while its sessions stand.
func TestCloseEndsAllThatRuns(t *testing.T) {
	for _, v := range api.Versions() {
		t.Run(string(v), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				whileBusy(t, v, func(server *moqtest.Server, viewer api.Session, reading api.TrackReader) {
					if n := len(running()); n < 10 {
						t.Errorf("only %d goroutines run before", n)
					}
					heard := announcements(t, viewer)
					await(t, heard, "room", api.AnnouncementActive)
					began := time.Now()
					if err := server.Relay.Close(); err != nil {
						t.Error(err)
					}
					if took := time.Since(began); took > 200*time.Millisecond {
						t.Errorf("it took %v", took)
					}
					for _, stack := range running() {
						t.Errorf("still runs:\n%s", stack)
					}
					await(t, heard, "room", api.AnnouncementEnded)
					if err := readToEnd(t, reading); !errors.Is(err, api.ErrGoingAway) {
						t.Errorf("the track ends with %v, want going away", err)
					}
					if err := viewer.Context().Err(); err != nil {
						t.Errorf("the viewer's session has ended: %v", context.Cause(viewer.Context()))
					}
					if err := server.Relay.Close(); err != nil {
						t.Error(err)
					}
					checkClosed(t, server.Relay, viewer)
				})
			})
		})
	}
}

// readToEnd reads a track until it ends.
func readToEnd(t *testing.T, r api.TrackReader) error {
	for {
		g, err := r.AcceptGroup(t.Context())
		if err != nil {
			return err
		}
		g.Cancel(api.StreamCancelled)
	}
}

// checkClosed uses a relay after its end.
func checkClosed(t *testing.T, r *relay.Relay, s api.Session) {
	t.Helper()
	r.Handler(s) // returns
	if err := r.Shutdown(t.Context()); err != nil {
		t.Errorf("shutdown after it: %v", err)
	}
	if err := refusal(t, s, "room"); !errors.Is(err, api.ErrNotFound) {
		t.Errorf("what it had announced ends with %v, want not found", err)
	}
	if err := r.Mux().PublishFunc(t.Context(), "own", serve("program", 1)); err != nil {
		t.Fatal(err)
	}
	if got := readAll(t, s, "own"); len(got) != 1 {
		t.Errorf("of the program's own broadcast came %q", got)
	}
}

// TestCloseOfNothing closes a relay that was never used.
func TestCloseOfNothing(t *testing.T) {
	var r relay.Relay
	if err := errors.Join(r.Shutdown(t.Context()), r.Close(), r.Close()); err != nil {
		t.Error(err)
	}
}

// TestShutdownCuts a viewer that does not leave, early enough for the server, which shuts
// down beside the relay with the same context, to end regularly.
func TestShutdownCuts(t *testing.T) {
	for _, c := range []struct{ timeout, cut time.Duration }{
		{9 * time.Second, 7 * time.Second},
		{time.Second, 500 * time.Millisecond},
	} {
		for _, v := range api.Versions() {
			t.Run(c.timeout.String()+" "+string(v), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					whileBusy(t, v, func(server *moqtest.Server, _ api.Session, reading api.TrackReader) {
						checkCut(t, server, reading, v, c.timeout, c.cut)
					})
				})
			})
		}
	}
}

// checkCut shuts a server and its relay down, and checks when the reader is cut off.
func checkCut(t *testing.T, server *moqtest.Server, reading api.TrackReader, v api.Version, timeout, at time.Duration) {
	ctx, cancel := context.WithTimeout(t.Context(), timeout)
	defer cancel()
	began, ended, cut := time.Now(), make(chan error, 1), make(chan error, 1)
	go func() { cut <- readToEnd(t, reading) }()
	go func() { ended <- server.Config.Shutdown(ctx) }()
	err := server.Relay.Shutdown(ctx)
	took := time.Since(began)
	if !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), "cut 4 subscriptions") || took < at || took > at+200*time.Millisecond {
		t.Errorf("after %v: %v", took, err)
	}
	want := api.ErrGoingAway
	if v == api.Lite03 { // on which the server waits for nobody then
		want = api.ErrSessionClosed
	}
	if err := <-cut; !errors.Is(err, want) && !errors.Is(err, api.ErrGoingAway) {
		t.Errorf("the track ends with %v, want %v", err, want)
	}
	if err := <-ended; err != nil || time.Since(began) > timeout {
		t.Errorf("the server after %v: %v", time.Since(began), err)
	}
	if stacks := running(); stacks != nil {
		t.Errorf("still runs:\n%s", strings.Join(stacks, "\n\n"))
	}
}

// TestShutdownIsInterrupted by the end of its context before the deadline.
func TestShutdownIsInterrupted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		whileBusy(t, api.Lite06, func(server *moqtest.Server, _ api.Session, _ api.TrackReader) {
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			ctx, interrupt := context.WithCancelCause(ctx)
			impatient := errors.New("impatient")
			time.AfterFunc(3*time.Second, func() { interrupt(impatient) })
			began := time.Now()
			err := server.Relay.Shutdown(ctx)
			if took := time.Since(began); !errors.Is(err, impatient) || took > 3200*time.Millisecond {
				t.Errorf("after %v: %v", took, err)
			}
		})
	})
}

// TestShutdownWithdrawsLast: nobody reads, and the server begins a little later. A client
// is asked to leave before what it has been told of is withdrawn.
func TestShutdownWithdrawsLast(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server, r := startRelay()
		defer server.Close()
		dial(t, server, api.Lite06, withPath(t, "room"))
		s := dial(t, server, api.Lite06, api.NewTrackMux())
		heard := announcements(t, s)
		await(t, heard, "room", api.AnnouncementActive)
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		ended := make(chan error, 2)
		go func() { ended <- r.Shutdown(ctx) }()
		time.AfterFunc(10*time.Millisecond, func() { ended <- server.Config.Shutdown(ctx) })
		await(t, heard, "room", api.AnnouncementEnded)
		select {
		case <-s.GoneAway():
		default:
			t.Error("withdrawn before the client was asked to leave")
		}
		if err := errors.Join(<-ended, <-ended); err != nil {
			t.Error(err)
		}
	})
}

// A turnover dials one server first, and another one from then on.
type turnover struct {
	clients [2]*impl.Client
	urls    [2]string
	dials   atomic.Int64
}

func (d *turnover) Dial(ctx context.Context, _ string, mux *api.TrackMux) (api.Session, error) {
	i := min(d.dials.Add(1)-1, 1)
	return d.clients[i].Dial(ctx, d.urls[i], mux)
}

// TestShutdownLetsViewersLeave to another relay, and ends as soon as they have:
// they lose nothing.
func TestShutdownLetsViewersLeave(t *testing.T) {
	for _, v := range []api.Version{api.Lite04, api.Lite05, api.Lite06} {
		t.Run(string(v), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				relays, there := [2]*moqtest.Server{moqtest.NewRelay(), moqtest.NewRelay()}, new(turnover)
				c := newCamera(t, t.Context(), 150)
				for i, server := range relays {
					defer server.Close()
					c.connect(t, server, v)
					there.clients[i], there.urls[i] = server.Client(), server.URL
					there.clients[i].Config = &api.Config{Versions: []api.Version{v}}
				}
				s, err := impl.NewRedialer(there, redial.Policy{}).Dial(t.Context(), "moqt://relays.example", api.NewTrackMux())
				if err != nil {
					t.Fatal(err)
				}
				defer s.Terminate(api.SessionNoError, "")
				r, err := api.SubscribeWhenAnnounced(t.Context(), s, "room", "video", nil)
				if err != nil {
					t.Fatal(err)
				}
				ended := make(chan error, 2)
				ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
				defer cancel()
				time.AfterFunc(2*time.Second, func() {
					began := time.Now()
					go func() { ended <- relays[0].Config.Shutdown(ctx) }()
					err := relays[0].Relay.Shutdown(ctx)
					if took := time.Since(began); took > 5*time.Second {
						t.Errorf("it took %v", took)
					}
					ended <- err
				})
				frames := make(map[string]bool)
				for g, err := range api.Groups(t.Context(), r) {
					if err != nil {
						t.Fatal(err)
					}
					for f, err := range api.Frames(t.Context(), g, nil) {
						if err != nil {
							t.Errorf("group %d: %v", g.Sequence(), err)
							break
						}
						frames[string(f.Payload)] = true
					}
				}
				if gaps := r.Gaps(); len(frames) != 150 || len(gaps) > 0 {
					t.Errorf("%d groups of 150; gaps %v", len(frames), gaps)
				}
				if err := errors.Join(<-ended, <-ended); err != nil {
					t.Error(err)
				}
			})
		})
	}
}
