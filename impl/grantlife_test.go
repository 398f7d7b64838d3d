package impl_test

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/moqlite/moqlite/api"
	"github.com/moqlite/moqlite/impl/moqtest"
)

// checkEnd waits for the end of a client's session, and checks how the client sees it.
func checkEnd(t *testing.T, s api.Session, reason string) {
	t.Helper()
	<-s.Context().Done()
	ended, ok := errors.AsType[*api.SessionError](context.Cause(s.Context()))
	if !ok || ended.Code != api.SessionUnauthorized || ended.Reason != reason || !ended.Remote {
		t.Errorf("%v, want a close as unauthorized, %q", context.Cause(s.Context()), reason)
	}
}

// TestGrantExpires ends sessions at the time of their grants, and tells who gave them.
func TestGrantExpires(t *testing.T) {
	overEachVersion(t, func(t *testing.T, v api.Version, server *moqtest.Server, start func() string) {
		ends := make(chan api.SessionEnd, 2)
		g := api.GrantAll()
		g.Expires = time.Now().Add(time.Hour + 123456*time.Microsecond)
		g.Ended = func(e api.SessionEnd) { ends <- e }
		s, atServer := admittedWith(t, v, g, server, start, nil)
		began := time.Now()
		<-atServer.Context().Done()
		if late := time.Since(g.Expires); late < 0 || late > time.Millisecond {
			t.Errorf("it has ended %v after the grant", late)
		}
		checkEnd(t, s, "expired")
		e, lasted := <-ends, g.Expires.Sub(began)
		if e.Reason != "expired" || e.Duration < lasted-time.Second || e.Duration > lasted+time.Second {
			t.Errorf("told of %+v", e)
		}
		if stats := atServer.Stats(); e.BytesSent != stats.BytesSent || e.BytesReceived != stats.BytesReceived || e.BytesSent == 0 && stats.RTT > 0 {
			t.Errorf("told of %+v, the session has %+v", e, stats)
		}
		server.Close()
		synctest.Wait()
		if len(ends) > 0 {
			t.Error("told twice")
		}
	})
}

// rechecked starts a server in memory whose grant is rechecked, in a bubble.
func rechecked(t *testing.T, g api.Grant, f func(t *testing.T, server *moqtest.Server, s, atServer api.Session)) {
	t.Helper()
	server := moqtest.NewUnstartedServer(api.NewTrackMux())
	defer server.Close()
	s, atServer := admittedWith(t, api.Lite06, g, server, func() string { server.Start(); return server.URL + "/room" }, nil)
	f(t, server, s, atServer)
}

// TestRecheck checks what becomes of a session for each outcome of a recheck.
func TestRecheck(t *testing.T) {
	first := api.Grant{Publish: api.Patterns{"cam/*"}, Subscribe: api.Patterns{"a", "b"}, Peer: true}
	changed := func(f func(g *api.Grant)) api.Grant { g := first; f(&g); return g }
	for _, test := range []struct {
		name   string
		grant  api.Grant
		err    error
		reason string // "": the session goes on
	}{
		{"the same", first, nil, ""},
		{"wider", changed(func(g *api.Grant) { g.Publish, g.Subscribe = api.Patterns{"**"}, api.Patterns{"*"} }), nil, ""},
		{"the same root", changed(func(g *api.Grant) { g.Root = "/room/" }), nil, ""},
		{"another tier", changed(func(g *api.Grant) { g.Tier = "gold" }), nil, ""},
		{"down", api.Grant{}, errors.New("down"), ""},
		{"unavailable", api.Grant{}, api.ErrUnavailable, ""},
		{"refused", api.Grant{}, api.ErrUnauthorized, "refused"},
		{"nothing", api.Grant{}, nil, "refused"},
		{"an invalid answer", api.Grant{}, errors.Join(api.ErrUnavailable, api.ErrInvalidGrant), "invalid"},
		{"bad pattern", changed(func(g *api.Grant) { g.Publish = api.Patterns{"cam/*", "a//b"} }), nil, "invalid"},
		{"expired", changed(func(g *api.Grant) { g.Expires = time.Unix(1, 0) }), nil, "invalid"},
		{"narrower to publish", changed(func(g *api.Grant) { g.Publish = api.Patterns{"cam/1"} }), nil, "grant narrowed"},
		{"narrower to read", changed(func(g *api.Grant) { g.Subscribe = api.Patterns{"a"} }), nil, "grant narrowed"},
		{"another root", changed(func(g *api.Grant) { g.Root = "/" }), nil, "root changed"},
		{"no peer", changed(func(g *api.Grant) { g.Peer = false }), nil, "peer changed"},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var asked atomic.Int32
				g := first
				g.RecheckEvery, g.Recheck = time.Minute, func(context.Context) (api.Grant, error) {
					asked.Add(1)
					return test.grant, test.err
				}
				began := time.Now()
				rechecked(t, g, func(t *testing.T, _ *moqtest.Server, s, atServer api.Session) {
					if test.reason != "" {
						checkEnd(t, s, test.reason)
						if took := time.Since(began); took < time.Minute || took > time.Minute+time.Second || asked.Load() != 1 {
							t.Errorf("it took %v, and %d rechecks", took, asked.Load())
						}
						return
					}
					time.Sleep(time.Hour - time.Second)
					if s.Context().Err() != nil {
						t.Error(context.Cause(s.Context()))
					}
					if n := asked.Load(); test.err == nil && n != 59 {
						t.Errorf("it was asked for %d times", n)
					}
					if atServer.(api.PublishScope).MayPublish("room/x") {
						t.Error("a wider grant counts")
					}
				})
			})
		})
	}
}

// TestRecheckMovesExpiry: the new grant's end counts.
func TestRecheckMovesExpiry(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g, began := api.GrantAll(), time.Now()
		g.Expires, g.RecheckEvery = began.Add(90*time.Second), time.Minute
		asked := 0
		g.Recheck = func(context.Context) (api.Grant, error) {
			next := api.GrantAll()
			asked++
			next.Expires = began.Add(time.Duration(min(asked+1, 3)) * 90 * time.Second)
			return next, nil
		}
		rechecked(t, g, func(t *testing.T, _ *moqtest.Server, s, _ api.Session) {
			checkEnd(t, s, "expired")
			if took := time.Since(began).Truncate(time.Millisecond); took != 270*time.Second {
				t.Errorf("it has lasted %v", took)
			}
		})
	})
}

// TestRecheckRetries: who cannot be asked is asked again at a growing pace, and the
// session goes on until its grant expires.
func TestRecheckRetries(t *testing.T) {
	for _, test := range []struct{ every, expires, most time.Duration }{
		{20 * time.Second, 10 * time.Minute, 20 * time.Second}, {10 * time.Minute, time.Hour, time.Minute}, {100 * time.Millisecond, time.Minute, 100 * time.Millisecond},
	} {
		synctest.Test(t, func(t *testing.T) {
			var asked []time.Time
			g, began := api.GrantAll(), time.Now()
			g.Expires, g.RecheckEvery = began.Add(test.expires), test.every
			g.Recheck = func(context.Context) (api.Grant, error) {
				asked = append(asked, time.Now())
				return api.Grant{}, errors.New("down")
			}
			rechecked(t, g, func(t *testing.T, _ *moqtest.Server, s, _ api.Session) {
				checkEnd(t, s, "expired")
				if took := time.Since(began).Truncate(time.Millisecond); took != test.expires {
					t.Errorf("it has lasted %v", took)
				}
			})
			want, varied := min(time.Second, test.most), false
			for i := 1; i < len(asked); i++ {
				wait := asked[i].Sub(asked[i-1])
				if wait < want*3/4 || wait > want*5/4 {
					t.Fatalf("recheck %d comes after %v, want about %v", i, wait, want)
				}
				varied = varied || wait != want
				want = min(2*want, test.most)
			}
			if len(asked) < 10 || !varied {
				t.Errorf("asked %d times, varied: %v", len(asked), varied)
			}
		})
	}
}

// TestSlowHooks: a Recheck that does not return holds up neither the grant's end nor
// Close, and is given up; nor does Ended hold up Close.
func TestSlowHooks(t *testing.T) {
	for _, ends := range []bool{true, false} {
		synctest.Test(t, func(t *testing.T) {
			over, calls := make(chan struct{}), new(atomic.Int32)
			defer close(over)
			g, began := api.GrantAll(), time.Now()
			g.RecheckEvery = time.Minute
			g.Recheck = func(ctx context.Context) (api.Grant, error) {
				calls.Add(1)
				<-over
				return api.Grant{}, api.ErrUnauthorized
			}
			g.Ended = func(api.SessionEnd) { <-over }
			if ends {
				g.Expires = began.Add(time.Minute + 3*time.Second)
			}
			rechecked(t, g, func(t *testing.T, server *moqtest.Server, s, _ api.Session) {
				if ends {
					checkEnd(t, s, "expired")
					if took := time.Since(began).Truncate(time.Millisecond); took != 63*time.Second {
						t.Errorf("it has lasted %v", took)
					}
					return
				}
				time.Sleep(2 * time.Minute) // 10 s for each call, and some more until the next
				if s.Context().Err() != nil || calls.Load() < 3 {
					t.Errorf("after %d calls: %v", calls.Load(), context.Cause(s.Context()))
				}
				now := time.Now()
				server.Close()
				if took := time.Since(now); took > time.Second {
					t.Errorf("Close took %v", took)
				}
			})
		})
	}
}

// TestGrantHooksMayClose closes the server from within the hooks of a grant.
func TestGrantHooksMayClose(t *testing.T) {
	for _, hook := range []string{"Recheck", "Ended"} {
		overEach(t, func(t *testing.T, server *moqtest.Server, start func() string) {
			closed := make(chan struct{})
			end := func() { _ = server.Config.Close(); close(closed) }
			g := api.GrantAll()
			g.RecheckEvery = time.Minute
			g.Recheck = func(context.Context) (api.Grant, error) {
				if hook == "Recheck" {
					end()
				}
				return api.Grant{}, api.ErrUnauthorized
			}
			if hook == "Ended" {
				g.Ended = func(api.SessionEnd) { end() }
			}
			s, _ := admittedWith(t, api.Lite06, g, server, start, nil)
			<-closed
			<-s.Context().Done()
		})
	}
}

// TestEnded: who has given a grant is told once of its end, whatever becomes of it.
func TestEnded(t *testing.T) {
	expired, nothing := api.GrantAll(), api.Grant{}
	expired.Expires = time.Unix(1, 0)
	for _, test := range []struct {
		name, reason string
		grant        api.Grant
		slow         time.Duration // how long Admit takes
		end          func(server *moqtest.Server, s, atServer api.Session)
	}{
		{"client leaves", "no error", api.GrantAll(), 0, func(_ *moqtest.Server, s, _ api.Session) { _ = s.Terminate(api.SessionNoError, "bye") }},
		{"server ends it", "enough", api.GrantAll(), 0, func(_ *moqtest.Server, _, s api.Session) { _ = s.Terminate(api.SessionApplication, "enough") }},
		{"server closes", "no error", api.GrantAll(), 0, func(server *moqtest.Server, _, _ api.Session) { _ = server.Config.Close() }},
		{"nothing granted", "refused", nothing, 0, nil},
		{"not applicable", "invalid", expired, 0, nil},
		{"too late", "too late", api.GrantAll(), time.Minute, nil},
	} {
		t.Run(test.name, func(t *testing.T) {
			overEach(t, func(t *testing.T, server *moqtest.Server, start func() string) {
				ends, sessions := make(chan api.SessionEnd, 2), make(chan api.Session, 1)
				server.Config.Handler = func(s api.Session) { sessions <- s }
				server.Config.Admit = func(context.Context, api.AdmitRequest) (api.Grant, error) {
					time.Sleep(test.slow)
					g := test.grant
					g.Ended = func(e api.SessionEnd) { ends <- e }
					return g, nil
				}
				url := start()
				s, err := server.Client().Dial(t.Context(), url, nil)
				if err == nil && test.end != nil {
					test.end(server, s, <-sessions)
				}
				if e := <-ends; e.Reason != test.reason {
					t.Errorf("told of %+v, want %q", e, test.reason)
				}
				server.Close()
				time.Sleep(time.Minute)
				if len(ends) > 0 {
					t.Error("told twice")
				}
			})
		})
	}
}

// TestEndedWithoutSession: a client that leaves while it is decided on is told of too.
func TestEndedWithoutSession(t *testing.T) {
	overEach(t, func(t *testing.T, server *moqtest.Server, start func() string) {
		ends := make(chan api.SessionEnd, 2)
		server.Config.Admit = func(ctx context.Context, _ api.AdmitRequest) (api.Grant, error) {
			time.Sleep(5 * time.Second)
			g := api.GrantAll()
			g.Ended = func(e api.SessionEnd) { ends <- e }
			return g, nil
		}
		url, c := start(), server.Client()
		c.Config = &api.Config{WaitForSetup: true}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := c.Dial(ctx, url, nil); !errors.Is(err, context.DeadlineExceeded) {
			t.Error(err)
		}
		<-ends
		time.Sleep(time.Minute)
		if len(ends) > 0 {
			t.Error("told twice")
		}
	})
}
