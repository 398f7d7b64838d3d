package impl_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/moqlite/moqlite/api"
	"github.com/moqlite/moqlite/impl"
	"github.com/moqlite/moqlite/impl/moqtest"
	"github.com/moqlite/moqlite/transport"
)

// A stopping is the end of a session that shuts down while it serves a track
// to the other end.
type stopping struct {
	server *moqtest.Server
	ends   interface {
		Shutdown(ctx context.Context) error
		Close() error
	}
	reader api.TrackReader // the other end's
	peer   api.Session     // the other end
}

// whileServing starts a session in which the client, or the server, serves a
// track to its peer.
func whileServing(t *testing.T, fromServer bool, v api.Version, serve func(w api.TrackWriter), f func(s stopping)) {
	t.Helper()
	mux := api.NewTrackMux()
	publish(t, mux, serve)
	sessions := make(chan api.Session, 1)
	server := moqtest.NewUnstartedServer(mux)
	server.Config.Handler = func(s api.Session) { sessions <- s }
	server.Start()
	defer server.Close()
	client := server.Client()
	client.Config = &api.Config{Versions: []api.Version{v}}
	dialled, err := client.Dial(t.Context(), server.URL, mux)
	if err != nil {
		t.Fatal(err)
	}
	accepted := <-sessions
	s := stopping{server: server, ends: client, peer: accepted}
	if fromServer {
		s.ends, s.peer = server.Config, dialled
	}
	s.reader = subscribe(t, s.peer, "room", nil)
	synctest.Wait()
	f(s)
}

// inBothRoles runs a test for each version, and with each end as the one that
// shuts down.
func inBothRoles(t *testing.T, f func(t *testing.T, fromServer bool, v api.Version)) {
	for _, v := range api.Versions() {
		for _, role := range []string{"client", "server"} {
			t.Run(string(v)+" "+role, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) { f(t, role == "server", v) })
			})
		}
	}
}

// shutdownWithin shuts down with a timeout, and checks that it takes no
// longer.
func shutdownWithin(t *testing.T, s stopping, timeout time.Duration) error {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), timeout)
	defer cancel()
	began := time.Now()
	err := s.ends.Shutdown(ctx)
	if took := time.Since(began); took > max(timeout, 0)+50*time.Millisecond {
		t.Errorf("it took %v of its %v", took, timeout)
	}
	return err
}

func endless(w api.TrackWriter) { <-w.Context().Done() }

// large writes more than a subscriber's windows hold.
func large(w api.TrackWriter) {
	for range 20 {
		g, err := w.OpenGroup(w.Context())
		if err != nil {
			return
		}
		_ = g.WriteFrame(api.Frame{Timestamp: 1, Payload: make([]byte, 1<<20)})
		_ = g.Close()
	}
}

func TestShutdownIsBounded(t *testing.T) {
	tests := []struct {
		name    string
		serve   func(w api.TrackWriter)
		spoil   func(s stopping)
		timeout time.Duration
		want    error
	}{
		{"a track without end", endless, func(stopping) {}, 3 * time.Second, context.DeadlineExceeded},
		{"a context that has ended", endless, func(stopping) {}, -1, context.DeadlineExceeded},
		{"a peer that answers nothing", endless, func(s stopping) { s.server.Freeze() }, 3 * time.Second, context.DeadlineExceeded},
		{"a peer that reads nothing", large, func(stopping) {}, 3 * time.Second, context.DeadlineExceeded},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			inBothRoles(t, func(t *testing.T, fromServer bool, v api.Version) {
				whileServing(t, fromServer, v, test.serve, func(s stopping) {
					test.spoil(s)
					err := shutdownWithin(t, s, test.timeout)
					if !errors.Is(err, test.want) || !strings.Contains(err.Error(), "cut 1 session") {
						t.Errorf("%v, want %v and what was cut", err, test.want)
					}
					s.server.Thaw()
				})
			})
		})
	}
}

// TestShutdownCountsTheUnconfirmed checks that a peer that is lost has not
// confirmed anything, while one that closes its session in order wants nothing
// more.
func TestShutdownCountsTheUnconfirmed(t *testing.T) {
	tests := []struct {
		name string
		end  func(s stopping)
		fine bool
	}{
		{"the peer leaves", func(s stopping) { _ = s.peer.Terminate(api.SessionNoError, "") }, true},
		{"the peer fails", func(s stopping) { _ = s.peer.Terminate(api.SessionInternal, "") }, false},
		{"the network breaks", func(s stopping) { s.server.Sever() }, false},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			inBothRoles(t, func(t *testing.T, fromServer bool, v api.Version) {
				whileServing(t, fromServer, v, endless, func(s stopping) {
					time.AfterFunc(time.Second, func() { test.end(s) })
					err := shutdownWithin(t, s, 20*time.Second)
					if test.fine != (err == nil) {
						t.Errorf("shutdown: %v", err)
					}
					if err != nil && !strings.Contains(err.Error(), "1 tracks served without the peer's answer") {
						t.Errorf("%v does not count the track", err)
					}
				})
			})
		})
	}
}

// TestShutdownTwice calls Shutdown again, concurrently, from handlers, and
// with a Close meanwhile.
func TestShutdownTwice(t *testing.T) {
	inBothRoles(t, func(t *testing.T, fromServer bool, v api.Version) {
		var s stopping
		within := make(chan error, 1)
		serve := func(w api.TrackWriter) {
			<-w.Updated()
			ctx, cancel := context.WithTimeout(context.Background(), time.Second)
			defer cancel()
			within <- s.ends.Shutdown(ctx)
		}
		whileServing(t, fromServer, v, serve, func(running stopping) {
			s = running
			errs := make(chan error, 2)
			for range 2 {
				go func() { errs <- s.ends.Shutdown(context.Background()) }()
			}
			_ = s.reader.Update(&api.SubscribeConfig{Priority: 1})
			if err := <-within; !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("shutdown by a handler: %v, want its deadline", err)
			}
			for range 2 {
				if err := <-errs; err == nil {
					t.Error("a shutdown that was overtaken returned nil")
				}
			}
			if err := s.ends.Shutdown(context.Background()); err != nil {
				t.Errorf("shutdown when all is over: %v", err)
			}
			if err := s.ends.Close(); err != nil {
				t.Error(err)
			}
		})
	})
}

func TestCloseOvertakesShutdown(t *testing.T) {
	inBothRoles(t, func(t *testing.T, fromServer bool, v api.Version) {
		whileServing(t, fromServer, v, endless, func(s stopping) {
			time.AfterFunc(time.Second, func() { _ = s.ends.Close() })
			want := api.ErrClientClosed
			if fromServer {
				want = api.ErrServerClosed
			}
			if err := shutdownWithin(t, s, 5*time.Second); !errors.Is(err, want) {
				t.Errorf("%v, want %v", err, want)
			}
		})
	})
}

func TestShutdownEndsDials(t *testing.T) {
	for _, end := range []string{"Shutdown", "Close"} {
		t.Run(end, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				client := &impl.Client{Transport: transport.DialerFunc(func(ctx context.Context, _ string, _ []string) (transport.Conn, error) {
					<-ctx.Done()
					return nil, context.Cause(ctx)
				})}
				dialled := make(chan error, 1)
				go func() {
					_, err := client.Dial(t.Context(), "moqt://relay.example", nil)
					dialled <- err
				}()
				synctest.Wait()
				var err error
				if end == "Close" {
					err = client.Close()
				} else {
					err = client.Shutdown(t.Context())
				}
				if err != nil {
					t.Error(err)
				}
				if err := <-dialled; !errors.Is(err, api.ErrClientClosed) {
					t.Errorf("the dial: %v, want ErrClientClosed", err)
				}
			})
		})
	}
}

// TestShutdownLetsClientsLeave checks that a client that is asked to leave can
// dial its next session before it closes this one.
func TestShutdownLetsClientsLeave(t *testing.T) {
	tests := []struct {
		name   string
		within time.Duration // Config.LeaveTimeout
		leaves time.Duration // 0: never
		takes  time.Duration
	}{
		{"it leaves", 0, 300 * time.Millisecond, 300 * time.Millisecond},
		{"it stays", 0, 0, 2 * time.Second},
		{"it leaves late", 7 * time.Second, 5 * time.Second, 5 * time.Second},
		{"it stays for less", 500 * time.Millisecond, 0, 500 * time.Millisecond},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				server := moqtest.NewUnstartedServer(api.NewTrackMux())
				server.Config.Config = &api.Config{LeaveTimeout: test.within}
				server.Start()
				defer server.Close()
				s, err := server.Client().Dial(t.Context(), server.URL, nil)
				if err != nil {
					t.Fatal(err)
				}
				if test.leaves > 0 {
					go func() {
						<-s.GoneAway()
						time.Sleep(test.leaves)
						_ = s.Terminate(api.SessionNoError, "")
					}()
				}
				synctest.Wait()
				began := time.Now()
				err = server.Config.Shutdown(t.Context())
				if took := time.Since(began); err != nil || took < test.takes || took > test.takes+100*time.Millisecond {
					t.Errorf("%v after %v, want nil after %v", err, took, test.takes)
				}
			})
		})
	}
}

// TestShutdownTurnsAllAway: whoever connects while a server shuts down, for as long as
// that takes, is told at once that it is about to end.
func TestShutdownTurnsAllAway(t *testing.T) {
	for _, v := range api.Versions() {
		t.Run(string(v), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				mux := api.NewTrackMux()
				publish(t, mux, endless)
				server := moqtest.NewServer(mux)
				defer server.Close()
				_ = subscribe(t, dial(t, server, v, nil), "room", nil)
				ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
				defer cancel()
				over := make(chan error, 1)
				go func() { over <- server.Config.Shutdown(ctx) }()
				for i := range 4 {
					time.Sleep(time.Second)
					s := dial(t, server, v, nil)
					select {
					case <-s.Context().Done():
						if err := context.Cause(s.Context()); !strings.Contains(err.Error(), "going away") {
							t.Errorf("session %d: %v", i, err)
						}
					case <-time.After(100 * time.Millisecond):
						t.Errorf("session %d is open", i)
					}
				}
				<-over
			})
		})
	}
}
