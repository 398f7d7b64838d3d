package redial_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/mock/gomock"

	"github.com/moqlite/moqlite/api"
	"github.com/moqlite/moqlite/impl"
	"github.com/moqlite/moqlite/impl/redial"
)

// withToken is a URL with credentials, none of which may be passed to a hook.
const withToken = "moqt://user:secret@relays.example:1?jwt=secret"

// TestTrace: the hooks are called in the order in which things happen.
func TestTrace(t *testing.T) {
	inEachVersion(t, func(t *testing.T, v api.Version) {
		var events recorder
		policy := quick()
		policy.Trace = events.trace()
		server, n, _ := served(v)
		defer server.Close()
		s := dial(t, n, withToken, policy, nil)
		time.Sleep(time.Second)
		n.fail(errUnreachable)
		server.Sever()
		for len(n.ports()) < 3 {
			time.Sleep(time.Millisecond)
		}
		n.fail(nil)
		time.Sleep(5 * time.Second)
		want := []string{
			"dialing moqt://relays.example:1 1", "connected " + string(v),
			"lost: session lost: link severed",
			"dialing moqt://relays.example:1 1", "dial failed: unreachable",
			"dialing moqt://relays.example:1 2", "dial failed: unreachable",
			"dialing moqt://relays.example:1 3", "connected " + string(v),
		}
		if v != api.Lite03 {
			server.goAwayLast(t, "http://secret@relays.example:1?jwt=secret")
			time.Sleep(5 * time.Second)
			want = append(want,
				"refused http://relays.example:1: the URL has credentials",
				"going away moqt://relays.example:1",
				"dialing moqt://relays.example:1 1", "connected "+string(v),
				"drained",
			)
		}
		_ = s.Terminate(api.SessionApplication, "enough")
		synctest.Wait()
		want = append(want, "ended: session closed here: code 64: enough")
		if got := events.all(); !slices.Equal(got, want) {
			t.Errorf("told\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
		}
	})
}

// served returns a server that serves nothing, at port 1 of a network.
func served(v api.Version) (*node, *network, api.Version) {
	server, n := newNode(api.NewTrackMux(), nil, 0), newNetwork()
	n.add("1", server, v)
	return server, n, v
}

// TestTraceOfFailure: hooks are also called for a first dial that fails for
// good.
func TestTraceOfFailure(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		var events recorder
		d := dialerFunc(func(context.Context, string, *api.TrackMux) (api.Session, error) { return nil, api.ErrUnauthorized })
		_, err := redial.New(d, redial.Policy{Trace: events.trace()}).Dial(t.Context(), withToken, nil)
		if !errors.Is(err, api.ErrUnauthorized) {
			t.Error(err)
		}
		synctest.Wait()
		want := []string{"dialing moqt://relays.example:1 1", "dial failed: unauthorized", "ended: session lost: unauthorized"}
		if got := events.all(); !slices.Equal(got, want) {
			t.Errorf("told %q, want %q", got, want)
		}
	})
}

// TestChanges: a quick receiver gets each change.
func TestChanges(t *testing.T) {
	inEachVersion(t, func(t *testing.T, v api.Version) {
		server, n, _ := served(v)
		defer server.Close()
		s := dial(t, n, address("1"), quick(), nil)
		var changes []redial.StateChange
		done := make(chan struct{})
		go func() {
			defer close(done)
			for c := range s.Changes() {
				if changes = append(changes, c); c.Status == redial.Ended {
					return
				}
			}
		}()
		synctest.Wait()
		server.Sever()
		time.Sleep(5 * time.Second)
		server.goAwayLast(t, "")
		time.Sleep(5 * time.Second)
		_ = s.Terminate(api.SessionNoError, "")
		<-done
		var got []string
		for _, c := range changes {
			got = append(got, fmt.Sprint(c.Status))
		}
		want := []string{"connected", "connecting", "connected", "going away", "connected", "ended"}
		if !slices.Equal(got, want) {
			t.Errorf("changes %q, want %q", got, want)
		}
		if err := changes[1].Err; !errors.Is(err, api.ErrSessionClosed) {
			t.Errorf("connecting after %v", err)
		}
		if err := changes[len(changes)-1].Err; !errors.Is(err, api.ErrSessionClosed) {
			t.Errorf("ended after %v", err)
		}
	}, withOrigins...)
}

// TestChangesCoalesce: a receiver that comes after several changes gets the
// newest.
func TestChangesCoalesce(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		server, n, _ := served(api.Lite06)
		defer server.Close()
		s := dial(t, n, address("1"), quick(), nil)
		for range 3 {
			server.Sever()
			time.Sleep(5 * time.Second)
		}
		if c := <-s.Changes(); c.Status != redial.Connected {
			t.Errorf("%v, want the newest", c)
		}
		select {
		case c := <-s.Changes():
			t.Errorf("%v is told besides", c)
		default:
		}
		_ = s.Terminate(api.SessionNoError, "")
	})
}

// TestLostWhileGoing loses the session that got a GOAWAY before there is
// another: that is reported as after any loss.
func TestLostWhileGoing(t *testing.T) {
	inEachVersion(t, func(t *testing.T, v api.Version) {
		var events recorder
		policy := quick()
		policy.Trace = events.trace()
		server, n, _ := served(v)
		defer server.Close()
		s := dial(t, n, address("1"), policy, nil)
		defer s.Terminate(api.SessionNoError, "")
		time.Sleep(time.Second)
		n.fail(errUnreachable)
		server.goAway(t, "")
		time.Sleep(10 * time.Second)
		if c := <-s.Changes(); c.Status != redial.GoingAway || n.session(0).Context().Err() != nil {
			t.Errorf("%v while the old session stands", c)
		}
		server.Sever()
		synctest.Wait()
		if c := <-s.Changes(); c.Status != redial.Connecting || c.Err == nil || events.count("lost") != 1 {
			t.Errorf("%v with no session", c)
		}
		n.fail(nil)
		time.Sleep(5 * time.Second)
		if c := <-s.Changes(); c.Status != redial.Connected || events.count("drained") != 0 {
			t.Errorf("%v at last", c)
		}
	}, withOrigins...)
}

// TestHooksMayCall: a hook calls methods of the session, and ends it.
func TestHooksMayCall(t *testing.T) {
	for _, name := range []string{"dialing", "dial failed", "connected", "lost", "going away", "refused", "drained"} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T) {
				server, n, _ := served(api.Lite06)
				defer server.Close()
				var (
					s     *redial.Session
					armed = make(chan struct{}) // closed when s is set
					once  sync.Once
					ended = make(chan struct{})
				)
				terminate := func(called string) {
					select {
					case <-armed:
					default:
						return
					}
					if called != name {
						return
					}
					once.Do(func() {
						_, _ = s.State(), s.Stats()
						_ = s.Terminate(api.SessionApplication, called)
						close(ended)
					})
				}
				policy := quick()
				policy.Trace = &redial.SessionTrace{
					Dialing:         func(string, int) { terminate("dialing") },
					DialFailed:      func(error) { terminate("dial failed") },
					Connected:       func(api.SessionState) { terminate("connected") },
					Lost:            func(error) { terminate("lost") },
					GoingAway:       func(string) { terminate("going away") },
					RedirectRefused: func(string, error) { terminate("refused") },
					Drained:         func(api.SessionState) { terminate("drained") },
				}
				s = dial(t, n, address("1"), policy, nil)
				synctest.Wait()
				close(armed)
				server.goAwayLast(t, "moqt://elsewhere.example")
				time.Sleep(5 * time.Second)
				if s.Context().Err() == nil {
					n.fail(errUnreachable)
					server.Sever()
					time.Sleep(5 * time.Second)
				}
				<-ended
				cause := context.Cause(s.Context())
				err, ok := errors.AsType[*api.SessionError](cause)
				if !ok || err.Reason != name {
					t.Errorf("the session ended with %v", cause)
				}
			})
		})
	}
}

// TestHooksOneAtATime: while one hook takes long, the others wait, and the
// session does not.
func TestHooksOneAtATime(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		ctrl := gomock.NewController(t)
		first, end := standing(ctrl)
		second, _ := standing(ctrl)
		sessions := []api.Session{first, second}
		d := dialerFunc(func(context.Context, string, *api.TrackMux) (api.Session, error) {
			s := sessions[0]
			sessions = sessions[1:]
			return s, nil
		})
		running, times := 0, []time.Duration(nil)
		began := time.Now()
		policy := redial.Policy{Trace: &redial.SessionTrace{Connected: func(api.SessionState) {
			if running++; running > 1 {
				t.Error("two hooks at a time")
			}
			time.Sleep(time.Minute)
			running--
			times = append(times, time.Since(began))
		}}}
		s := dial(t, d, "moqt://host", policy, nil)
		end(lost())
		time.Sleep(5 * time.Second)
		synctest.Wait()
		if len(sessions) > 0 {
			t.Error("a hook holds up the session")
		}
		_ = s.Terminate(api.SessionNoError, "")
		if waited := time.Since(began); waited > time.Minute {
			t.Errorf("Terminate returned after %v", waited)
		}
		s.Wait()
		if want := []time.Duration{time.Minute, 2 * time.Minute}; !slices.Equal(times, want) {
			t.Errorf("hooks ended at %v", times)
		}
	})
}

// TestHookThatBlocks: the calls that wait for it are bounded.
func TestHookThatBlocks(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		n, release, told := newNetwork(), make(chan struct{}), 0
		policy := redial.Policy{InitialInterval: time.Millisecond, MaxInterval: time.Millisecond}
		policy.Trace = &redial.SessionTrace{Dialing: func(string, int) { told++; <-release }}
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		if _, err := impl.NewRedialer(n, policy).Dial(ctx, address("1"), nil); err == nil {
			t.Fatal("dialled nobody")
		}
		close(release)
		synctest.Wait()
		if dials := len(n.ports()); dials < 10_000 || told > 1100 {
			t.Errorf("%d dials, %d told after the hook returned", dials, told)
		}
	})
}

func TestStatusString(t *testing.T) {
	for status, want := range map[redial.Status]string{
		redial.Connecting: "connecting", redial.Ended: "ended", 9: "status 9", -1: "status -1",
	} {
		if got := status.String(); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}
