package redial_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/moqlite/moqlite/api"
	"github.com/moqlite/moqlite/impl"
	"github.com/moqlite/moqlite/impl/moqtest"
	"github.com/moqlite/moqlite/impl/redial"
)

// overLink runs a test in a bubble, over each transport of a simulated network and in
// memory.
func overLink(t *testing.T, f func(t *testing.T, server *moqtest.Server, start func() (url string))) {
	for _, scheme := range []string{"memory", "moqt", "https", "wss", "tls"} {
		t.Run(scheme, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				server := moqtest.NewUnstartedServer(api.NewTrackMux())
				if scheme != "memory" {
					server.Link = new(moqtest.Link)
				}
				defer server.Close()
				f(t, server, func() string {
					server.Start()
					switch scheme {
					case "https":
						return server.WebTransportURL()
					case "wss":
						return server.WebSocketURL()
					case "tls":
						return "tls" + strings.TrimPrefix(server.WebSocketURL(), "wss")
					default:
						return server.URL
					}
				})
			})
		})
	}
}

// TestBackendDown: who decides on admission is down for ten seconds, in which all
// sessions are lost. That ends no lasting session.
func TestBackendDown(t *testing.T) {
	overLink(t, func(t *testing.T, server *moqtest.Server, start func() string) {
		var down atomic.Bool
		var asked, refused atomic.Int32
		server.Config.Admit = func(context.Context, api.AdmitRequest) (api.Grant, error) {
			asked.Add(1)
			if down.Load() {
				refused.Add(1)
				return api.Grant{}, errors.New("no connection to the backend")
			}
			return api.GrantAll(), nil
		}
		current := make(chan api.Session, 100)
		server.Config.Handler = func(s api.Session) { current <- s }
		url := start()
		s, err := impl.NewRedialer(server.Client(), redial.Policy{}).Dial(t.Context(), url, api.NewTrackMux())
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Minute)
		down.Store(true)
		_ = (<-current).Terminate(api.SessionInternal, "a restart")
		time.Sleep(10 * time.Second)
		if n := refused.Load(); n < 2 || n > 20 {
			t.Errorf("it was asked %d times in 10 s", n)
		}
		down.Store(false)
		select {
		case <-current:
		case <-time.After(time.Minute):
			t.Error("it has not come back:", context.Cause(s.Context()))
		}
		time.Sleep(time.Minute)
		if s.Context().Err() != nil || len(current) > 0 {
			t.Errorf("%v, and %d more sessions", context.Cause(s.Context()), len(current))
		}
		_ = s.Terminate(api.SessionNoError, "")
	})
}

// TestRefusedLater: a lasting session that is refused when it connects again ends.
func TestRefusedLater(t *testing.T) {
	overLink(t, func(t *testing.T, server *moqtest.Server, start func() string) {
		var shut atomic.Bool
		server.Config.Admit = func(context.Context, api.AdmitRequest) (api.Grant, error) {
			if shut.Load() {
				return api.Grant{}, api.ErrUnauthorized
			}
			return api.GrantAll(), nil
		}
		current := make(chan api.Session, 100)
		server.Config.Handler = func(s api.Session) { current <- s }
		url := start()
		policy := redial.Policy{Source: func(context.Context) (string, error) { return url, nil }}
		s, err := impl.NewRedialer(server.Client(), policy).Dial(t.Context(), "", api.NewTrackMux())
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Minute)
		shut.Store(true)
		_ = (<-current).Terminate(api.SessionInternal, "a restart")
		select {
		case <-s.Context().Done():
		case <-time.After(10 * time.Minute):
		}
		if err := context.Cause(s.Context()); !errors.Is(err, api.ErrUnauthorized) {
			t.Error(err)
		}
	})
}

// TestOutlivesItsToken: with a Source, the end of a token is not that of the session.
func TestOutlivesItsToken(t *testing.T) {
	for _, source := range []bool{true, false} {
		overLink(t, func(t *testing.T, server *moqtest.Server, start func() string) {
			tokens := make(chan string, 100)
			server.Config.Admit = func(_ context.Context, r api.AdmitRequest) (api.Grant, error) {
				g := api.GrantAll()
				g.Expires = time.Now().Add(time.Minute)
				tokens <- r.Token
				return g, nil
			}
			url, issued := start(), 0
			if source && strings.HasPrefix(url, "moqt") && server.Link == nil {
				url = "https" + strings.TrimPrefix(url, "moqt")
			}
			policy := redial.Policy{}
			if source {
				policy.Source = func(context.Context) (string, error) {
					issued++
					return fmt.Sprintf("%s/?jwt=%d", strings.TrimSuffix(url, "/"), issued), nil
				}
			}
			s, err := impl.NewRedialer(server.Client(), policy).Dial(t.Context(), url, api.NewTrackMux())
			if err != nil {
				t.Fatal(err)
			}
			time.Sleep(10 * time.Minute)
			if lives := s.Context().Err() == nil; lives != source {
				t.Errorf("with a source %v, it has ended with %v", source, context.Cause(s.Context()))
			}
			if n := len(tokens); source && (n < 9 || n > 11) || !source && n != 1 {
				t.Errorf("admitted %d times", n)
			}
			for i := 1; source && len(tokens) > 0; i++ {
				if token := <-tokens; token != fmt.Sprint(i) {
					t.Errorf("token %d is %q", i, token)
				}
			}
			_ = s.Terminate(api.SessionNoError, "")
		})
	}
}
