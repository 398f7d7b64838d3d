package redial_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"slices"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/mock/gomock"

	"github.com/moqlite/moqlite/api"
	"github.com/moqlite/moqlite/impl"
	"github.com/moqlite/moqlite/impl/redial"
	"github.com/moqlite/moqlite/mocks"
)

// standing returns a session to which no requests are made, and a function that
// ends it.
func standing(ctrl *gomock.Controller) (s *mocks.MockSession, end func(err *api.SessionError)) {
	s = mocks.NewMockSession(ctrl)
	ctx, cancel := context.WithCancelCause(context.Background())
	end = func(err *api.SessionError) { cancel(err) }
	s.EXPECT().Context().Return(ctx).AnyTimes()
	s.EXPECT().GoneAway().Return(nil).AnyTimes()
	s.EXPECT().Stats().Return(api.SessionStats{}).AnyTimes()
	s.EXPECT().State().Return(api.SessionState{}).AnyTimes()
	s.EXPECT().TrackInfo(gomock.Any(), gomock.Any(), gomock.Any()).Return(api.TrackInfo{}, api.ErrNotFound).AnyTimes()
	s.EXPECT().Terminate(gomock.Any(), gomock.Any()).DoAndReturn(func(code api.SessionErrorCode, reason string) error {
		cancel(&api.SessionError{Code: code, Reason: reason})
		return nil
	}).AnyTimes()
	return s, end
}

// lost returns the end of a session whose network has failed.
func lost() *api.SessionError {
	return &api.SessionError{Code: api.SessionInternal, Err: errors.New("timeout")}
}

// failures are errors of dials, and whether they would come again.
var failures = []struct {
	name      string
	err       error
	permanent bool
}{
	{"unauthorized", &api.DialError{Phase: api.PhaseUpgrade, Err: api.ErrUnauthorized}, true},
	{"unauthorized, by the session", &api.SessionError{Code: api.SessionUnauthorized, Remote: true}, true},
	{"unsupported version", &api.DialError{Phase: api.PhaseNegotiate, Err: api.ErrUnsupportedVersion}, true},
	{"unsupported scheme", &api.DialError{Phase: api.PhaseResolve, Err: api.ErrUnsupportedScheme}, true},
	{"not supported", &api.DialError{Phase: api.PhaseResolve, Err: api.ErrNotSupported}, true},
	{"client closed", api.ErrClientClosed, true},
	{"unknown authority", &api.DialError{Phase: api.PhaseTLS, Err: x509.UnknownAuthorityError{}}, true},
	{"unknown authority, in any phase", &api.DialError{Phase: api.PhaseConnect, Err: &tls.CertificateVerificationError{Err: x509.UnknownAuthorityError{}}}, true},
	{"expired certificate", &api.DialError{Phase: api.PhaseConnect, Err: x509.CertificateInvalidError{Cert: new(x509.Certificate), Reason: x509.Expired}}, true},
	{"certificate of another host", &api.DialError{Phase: api.PhaseConnect, Err: x509.HostnameError{Certificate: new(x509.Certificate)}}, true},
	{"certificate refused by the peer", &api.DialError{Phase: api.PhaseConnect, Err: tls.AlertError(42)}, true},
	{"fingerprint that does not match", &api.DialError{Phase: api.PhaseTLS, Err: errors.New("another certificate")}, true},
	{"malformed URL", &api.DialError{Phase: api.PhaseResolve, Err: errors.New("malformed URL")}, true},

	{"refused connection", &api.DialError{Phase: api.PhaseConnect, Err: &net.OpError{Op: "dial", Err: syscall.ECONNREFUSED}}, false},
	{"no such host", &api.DialError{Phase: api.PhaseResolve, Err: &net.DNSError{Err: "no such host", IsNotFound: true}}, false},
	{"timeout", &api.DialError{Phase: api.PhaseConnect, Err: context.DeadlineExceeded}, false},
	{"timeout of the handshake", &api.DialError{Phase: api.PhaseTLS, Err: &net.OpError{Op: "read", Err: os.ErrDeadlineExceeded}}, false},
	{"end within the handshake", &api.DialError{Phase: api.PhaseTLS, Err: io.EOF}, false},
	{"end within a record of it", &api.DialError{Phase: api.PhaseTLS, Err: io.ErrUnexpectedEOF}, false},
	{"trouble of the server", &api.DialError{Phase: api.PhaseTLS, Err: tls.AlertError(80)}, false},
	{"no such place", &api.DialError{Phase: api.PhaseUpgrade, Err: api.ErrNotFound}, false},
	{"session closed at once", &api.SessionError{Code: api.SessionNoError, Remote: true}, false},
	{"something else", errors.New("something else"), false},
	{"nobody decides, HTTP 502", &api.DialError{Phase: api.PhaseUpgrade, Err: api.ErrUnavailable}, false},
	{"nobody decides, by the session", &api.SessionError{Code: api.SessionUnavailable, Reason: "app code=502", Remote: true}, false},
}

// TestPermanentErrors fails once, at first or after the loss of a session, and
// checks whether that is the end.
func TestPermanentErrors(t *testing.T) {
	for _, f := range failures {
		t.Run(f.name, func(t *testing.T) {
			t.Run("at first", func(t *testing.T) {
				inBubble(t, func(t *testing.T) { failsAtFirst(t, f.err, f.permanent) })
			})
			t.Run("later", func(t *testing.T) {
				inBubble(t, func(t *testing.T) { failsLater(t, f.err, f.permanent) })
			})
		})
	}
}

// TestUnansweredHandshake: at first, a server that does not complete the handshake in time
// may have no version in common. After a session, it is asked again.
func TestUnansweredHandshake(t *testing.T) {
	failure := &api.DialError{Phase: api.PhaseNegotiate, Err: fmt.Errorf("%w, or no answer: %w (and websocket: %w)",
		api.ErrUnsupportedVersion, &net.OpError{Op: "read", Err: os.ErrDeadlineExceeded}, syscall.ECONNREFUSED)}
	t.Run("at first", func(t *testing.T) {
		inBubble(t, func(t *testing.T) { failsAtFirst(t, failure, true) })
	})
	t.Run("later", func(t *testing.T) {
		inBubble(t, func(t *testing.T) { failsLater(t, failure, false) })
	})
}

func failsAtFirst(t *testing.T, failure error, permanent bool) {
	ctrl := gomock.NewController(t)
	d := mocks.NewMockDialer(ctrl)
	failed := d.EXPECT().Dial(gomock.Any(), "moqt://host", gomock.Any()).Return(nil, failure)
	if !permanent {
		under, _ := standing(ctrl)
		d.EXPECT().Dial(gomock.Any(), "moqt://host", gomock.Any()).Return(under, nil).After(failed.Call)
	}
	s, err := impl.NewRedialer(d, redial.Policy{}).Dial(t.Context(), "moqt://host", nil)
	if permanent {
		if s != nil || !errors.Is(err, failure) {
			t.Errorf("dialled %v, %v", s, err)
		}
		return
	}
	if err != nil {
		t.Fatal(err)
	}
	_ = s.Terminate(api.SessionNoError, "")
}

func failsLater(t *testing.T, failure error, permanent bool) {
	ctrl := gomock.NewController(t)
	d := mocks.NewMockDialer(ctrl)
	first, end := standing(ctrl)
	calls := []any{
		d.EXPECT().Dial(gomock.Any(), gomock.Any(), gomock.Any()).Return(first, nil),
		d.EXPECT().Dial(gomock.Any(), gomock.Any(), gomock.Any()).Return(nil, failure),
	}
	if !permanent {
		under, _ := standing(ctrl)
		calls = append(calls, d.EXPECT().Dial(gomock.Any(), gomock.Any(), gomock.Any()).Return(under, nil).Call)
	}
	gomock.InOrder(calls...)
	s := dial(t, d, "moqt://host", redial.Policy{}, nil)
	end(lost())
	time.Sleep(time.Minute)
	if permanent {
		if err := context.Cause(s.Context()); !errors.Is(err, failure) || !errors.Is(err, api.ErrSessionClosed) {
			t.Errorf("the session ended with %v", err)
		}
		return
	}
	if err := s.Context().Err(); err != nil {
		t.Error(err)
	}
	_ = s.Terminate(api.SessionNoError, "")
}

// TestEndIsPermanent: the peer ends the session for a reason that would apply
// to the next one too. There is no next one.
func TestEndIsPermanent(t *testing.T) {
	for _, code := range []api.SessionErrorCode{api.SessionUnauthorized, api.SessionVersionNegotiationFailed} {
		t.Run(code.String(), func(t *testing.T) {
			inBubble(t, func(t *testing.T) {
				ctrl := gomock.NewController(t)
				d := mocks.NewMockDialer(ctrl)
				under, end := standing(ctrl)
				d.EXPECT().Dial(gomock.Any(), gomock.Any(), gomock.Any()).Return(under, nil)
				s := dial(t, d, "moqt://host", redial.Policy{}, nil)
				end(&api.SessionError{Code: code, Remote: true})
				<-s.Context().Done()
				err := context.Cause(s.Context())
				ended, ok := errors.AsType[*api.SessionError](err)
				if !ok || ended.Code != code || !ended.Remote {
					t.Errorf("the session ended with %v", err)
				}
			})
		})
	}
}

// A schedule is a dialer whose dials fail, or return sessions that end after a
// while, in turn. The last session stays.
type schedule struct {
	ctrl  *gomock.Controller
	lives []time.Duration // 0 fails
	times []time.Time
	ends  []time.Time // of the dial, or of its session
}

func (d *schedule) Dial(context.Context, string, *api.TrackMux) (api.Session, error) {
	i := len(d.times)
	d.times = append(d.times, time.Now())
	if i < len(d.lives) && d.lives[i] == 0 {
		d.ends = append(d.ends, time.Now())
		return nil, errUnreachable
	}
	s, end := standing(d.ctrl)
	if i < len(d.lives) {
		d.ends = append(d.ends, time.Now().Add(d.lives[i]))
		time.AfterFunc(d.lives[i], func() { end(lost()) })
	}
	return s, nil
}

// waits returns the times from each end to the next dial.
func (d *schedule) waits() (waits []time.Duration) {
	for i, end := range d.ends[:len(d.times)-1] {
		waits = append(waits, d.times[i+1].Sub(end))
	}
	return waits
}

// TestWaits: each wait is drawn from half to one and a half times a mean that
// doubles up to the highest. After a session there is no wait once, and after
// each that has stood for a while; then they begin anew.
func TestWaits(t *testing.T) {
	ms := func(n ...time.Duration) (d []time.Duration) {
		for _, x := range n {
			d = append(d, x*time.Millisecond)
		}
		return d
	}
	given := redial.Policy{InitialInterval: 100 * time.Millisecond, MaxInterval: time.Second}
	for _, c := range []struct {
		name   string
		policy redial.Policy
		lives  []time.Duration
		want   []time.Duration
	}{
		{"by default", redial.Policy{}, ms(0, 0, 0, 0, 0, 0, 0, 0, 0), ms(500, 1000, 2000, 4000, 8000, 16000, 30000, 30000, 30000)},
		{"as given", given, ms(0, 0, 0, 0, 0, 0), ms(100, 200, 400, 800, 1000, 1000)},
		{"most below the first", redial.Policy{InitialInterval: time.Minute}, ms(0, 0), ms(60000, 60000)},
		{"after sessions thrown out at once", given, ms(1, 1, 1, 1, 1, 1), ms(0, 100, 200, 400, 800, 1000)},
		{"after a session that stood", given, ms(0, 0, 60000, 0, 60000), ms(100, 200, 0, 100, 0)},
		{"after one that did not", given, ms(0, 0, 5000, 0), ms(100, 200, 0, 400)},
	} {
		t.Run(c.name, func(t *testing.T) {
			var ratios []float64
			c.policy.KeepAlive = -1
			inBubble(t, func(t *testing.T) {
				for range 20 {
					d := &schedule{ctrl: gomock.NewController(t), lives: c.lives}
					s := dial(t, d, "moqt://host", c.policy, nil)
					time.Sleep(time.Hour)
					synctest.Wait()
					waits := d.waits()
					if len(waits) != len(c.want) {
						t.Fatalf("waited %v, want about %v", waits, c.want)
					}
					for i, wait := range waits {
						if c.want[i] == 0 && wait == 0 {
							continue
						}
						ratio := float64(wait) / float64(c.want[i])
						if ratio < 0.499 || ratio > 1.501 {
							t.Errorf("wait %d was %v, want about %v", i, wait, c.want[i])
						}
						ratios = append(ratios, ratio)
					}
					_ = s.Terminate(api.SessionNoError, "")
				}
			})
			if least, most := slices.Min(ratios), slices.Max(ratios); least > 0.7 || most < 1.3 {
				t.Errorf("waits are from %.2f to %.2f of their mean: no jitter", least, most)
			}
		})
	}
}

// never is a dialer that fails, after a time or when its context ends.
func never(after time.Duration, dials *int) dialerFunc {
	return func(ctx context.Context, _ string, _ *api.TrackMux) (api.Session, error) {
		*dials++
		select {
		case <-time.After(after):
			return nil, errUnreachable
		case <-ctx.Done():
			return nil, &api.DialError{Phase: api.PhaseConnect, Err: context.Cause(ctx)}
		}
	}
}

// TestGivesUp as the policy says, or the context of Dial: at first, and after
// the loss of a session, when that context has ended long before.
func TestGivesUp(t *testing.T) {
	enough := errors.New("enough")
	for _, c := range []struct {
		name        string
		policy      redial.Policy
		each        time.Duration // that a dial takes
		ctx         time.Duration // of Dial; 0 is no bound
		dials       int           // 0 is any number
		least, most time.Duration
		want        []error
		says        string
	}{
		{"after some attempts", redial.Policy{MaxAttempts: 3}, 0, 0, 3, 0, 3 * time.Second, []error{errUnreachable}, "given up after 3 attempts"},
		{"at the first", redial.Policy{MaxAttempts: 1}, 0, 0, 1, 0, 0, []error{errUnreachable}, "given up after 1 attempts"},
		{"after a while, waiting", redial.Policy{MaxElapsed: time.Minute}, 0, 0, 0, time.Minute, time.Minute, []error{errUnreachable}, "no session for too long"},
		{"after a while, dialling", redial.Policy{MaxElapsed: 5 * time.Second}, time.Hour, 0, 1, 5 * time.Second, 5 * time.Second, nil, "no session for too long"},
		{"with the context, waiting", redial.Policy{}, 0, time.Minute, 0, time.Minute, time.Minute, []error{enough, errUnreachable}, ""},
		{"with the context, dialling", redial.Policy{DialTimeout: time.Hour}, time.Hour, time.Minute, 1, time.Minute, time.Minute, []error{enough}, ""},
		{"attempts of a bounded time", redial.Policy{DialTimeout: time.Minute, MaxAttempts: 2}, time.Hour, 0, 2, 2 * time.Minute, 2*time.Minute + time.Second, []error{context.DeadlineExceeded}, "given up after 2"},
		{"attempts of 20 seconds by default", redial.Policy{MaxAttempts: 1}, time.Hour, 0, 1, 20 * time.Second, 20 * time.Second, []error{context.DeadlineExceeded}, "given up after 1"},
	} {
		check := func(t *testing.T, err error, took, slack time.Duration, dials int) {
			t.Helper()
			for _, want := range c.want {
				if !errors.Is(err, want) {
					t.Errorf("%v is not %v", err, want)
				}
			}
			if err == nil || !strings.Contains(err.Error(), c.says) {
				t.Errorf("%v does not say %q", err, c.says)
			}
			if took < c.least || took > c.most+slack {
				t.Errorf("given up after %v", took)
			}
			if c.dials > 0 && dials != c.dials {
				t.Errorf("%d dials, want %d", dials, c.dials)
			}
		}
		t.Run(c.name, func(t *testing.T) {
			inBubble(t, func(t *testing.T) {
				var dials int
				ctx, cancel := t.Context(), func() {}
				if c.ctx > 0 {
					ctx, cancel = context.WithTimeoutCause(ctx, c.ctx, enough)
				}
				defer cancel()
				began := time.Now()
				_, err := impl.NewRedialer(never(c.each, &dials), c.policy).Dial(ctx, "moqt://host", nil)
				check(t, err, time.Since(began), 0, dials)
			})
			if c.ctx > 0 {
				return
			}
			inBubble(t, func(t *testing.T) {
				var dials int
				under, end := standing(gomock.NewController(t))
				then := never(c.each, &dials)
				first := true
				d := dialerFunc(func(ctx context.Context, url string, mux *api.TrackMux) (api.Session, error) {
					if first {
						first = false
						return under, nil
					}
					return then(ctx, url, mux)
				})
				ctx, cancel := context.WithCancel(t.Context())
				s, err := impl.NewRedialer(d, c.policy).Dial(ctx, "moqt://host", nil)
				if err != nil {
					t.Fatal(err)
				}
				cancel()
				time.Sleep(time.Hour)
				if err := s.Context().Err(); err != nil {
					t.Fatal("the session has ended with the context of Dial")
				}
				end(lost())
				began := time.Now()
				<-s.Context().Done()
				slack := 2250 * time.Millisecond // there is a wait before the first dial, too
				if c.policy.MaxElapsed > 0 {
					slack = 0
				}
				check(t, context.Cause(s.Context()), time.Since(began), slack, dials)
			})
		})
	}
}

// TestTerminateWhileDialling ends a wait, and a dial, at once.
func TestTerminateWhileDialling(t *testing.T) {
	for _, each := range []time.Duration{0, time.Hour} {
		t.Run(fmt.Sprintf("dials of %v", each), func(t *testing.T) {
			inBubble(t, func(t *testing.T) {
				var dials int
				under, end := standing(gomock.NewController(t))
				then := never(each, &dials)
				first := true
				d := dialerFunc(func(ctx context.Context, url string, mux *api.TrackMux) (api.Session, error) {
					if first {
						first = false
						return under, nil
					}
					return then(ctx, url, mux)
				})
				s := dial(t, d, "moqt://host", redial.Policy{DialTimeout: 2 * time.Hour}, nil)
				end(lost())
				time.Sleep(time.Minute)
				began := time.Now()
				_ = s.Terminate(api.SessionApplication, "enough")
				if took := time.Since(began); took > 0 {
					t.Errorf("it took %v", took)
				}
				err := context.Cause(s.Context())
				ended, ok := errors.AsType[*api.SessionError](err)
				if !ok || ended.Code != api.SessionApplication {
					t.Errorf("the session ended with %v", err)
				}
				_ = s.Terminate(api.SessionInternal, "again")
			})
		})
	}
}

// TestClientClose ends the sessions of redial with the client beneath.
func TestClientClose(t *testing.T) {
	for name, end := range map[string]func(c *impl.Client) error{
		"close":    (*impl.Client).Close,
		"shutdown": func(c *impl.Client) error { return c.Shutdown(context.Background()) },
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T) {
				server := newNode(api.NewTrackMux(), nil, 0)
				defer server.Close()
				client := server.Client()
				s := dial(t, client, server.URL, redial.Policy{}, nil)
				synctest.Wait()
				if err := end(client); err != nil {
					t.Fatal(err)
				}
				began := time.Now()
				<-s.Context().Done()
				if err := context.Cause(s.Context()); !errors.Is(err, api.ErrClientClosed) {
					t.Errorf("the session ended with %v", err)
				}
				if took := time.Since(began); took > time.Second {
					t.Errorf("it took %v", took)
				}
			})
		})
	}
}
