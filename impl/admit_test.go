package impl_test

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/moqlite/moqlite/api"
	"github.com/moqlite/moqlite/impl/moqtest"
)

// withPath adds a path and a query to a URL without any.
func withPath(u, path string) string { return strings.TrimSuffix(u, "/") + path }

// withSetup tells whether a version has SETUP.
func withSetup(v api.Version) bool { return v == api.Lite05 || v == api.Lite06 }

// overEachVersion runs a test over each binding in each version.
func overEachVersion(t *testing.T, f func(t *testing.T, v api.Version, server *moqtest.Server, start func() (url string))) {
	for _, v := range api.Versions() {
		t.Run(string(v), func(t *testing.T) {
			overEach(t, func(t *testing.T, server *moqtest.Server, start func() string) { f(t, v, server, start) })
		})
	}
}

// dialled dials, and returns how that or the session ended; nil if the session
// lives a minute later.
func dialled(t *testing.T, server *moqtest.Server, url string, config *api.Config) error {
	t.Helper()
	c := server.Client()
	c.Config = config
	s, err := c.Dial(t.Context(), url, api.NewTrackMux())
	if err != nil {
		return err
	}
	select {
	case <-s.Context().Done():
		return context.Cause(s.Context())
	case <-time.After(time.Minute):
		return nil
	}
}

// checkRefusal checks how a client sees that it is not admitted.
func checkRefusal(t *testing.T, err error, transport string, is error) {
	t.Helper()
	code, reason, status := api.SessionUnauthorized, "unauthorized", "401"
	if is == api.ErrUnavailable {
		code, reason, status = api.SessionUnavailable, "app code=502", "502"
	}
	if !errors.Is(err, is) {
		t.Fatalf("%v, want %v", err, is)
	}
	if transport == "websocket" {
		failed, ok := errors.AsType[*api.DialError](err)
		if !ok || failed.Phase != api.PhaseUpgrade || !strings.Contains(err.Error(), status) {
			t.Errorf("%v, want HTTP's status %s", err, status)
		}
		return
	}
	ended, ok := errors.AsType[*api.SessionError](err)
	if !ok || ended.Code != code || ended.Reason != reason || !ended.Remote {
		t.Errorf("%v, want a close with %v %q", err, code, reason)
	}
}

// TestNotAdmitted checks what a client sees for each outcome that admits it not.
func TestNotAdmitted(t *testing.T) {
	recheck := func(context.Context) (api.Grant, error) { return api.GrantAll(), nil }
	some := api.Patterns{"a"}
	for _, test := range []struct {
		name  string
		grant api.Grant
		err   error
		is    error
	}{
		{"refused", api.GrantAll(), api.ErrUnauthorized, api.ErrUnauthorized},
		{"nothing", api.Grant{}, nil, api.ErrUnauthorized},
		{"root with *", api.Grant{Root: "a/b*", Publish: some}, nil, api.ErrUnauthorized},
		{"down", api.GrantAll(), errors.New("down"), api.ErrUnavailable},
		{"unavailable", api.Grant{}, api.ErrUnavailable, api.ErrUnavailable},
		{"bad pattern", api.Grant{Publish: api.Patterns{"a//b"}}, nil, api.ErrUnavailable},
		{"never rechecked", api.Grant{Publish: some, RecheckEvery: time.Minute}, nil, api.ErrUnavailable},
		{"no pace", api.Grant{Publish: some, Recheck: recheck}, nil, api.ErrUnavailable},
		{"expired", api.Grant{Publish: some, Expires: time.Unix(1, 0)}, nil, api.ErrUnavailable},
	} {
		t.Run(test.name, func(t *testing.T) {
			overEachVersion(t, func(t *testing.T, v api.Version, server *moqtest.Server, start func() string) {
				server.Config.Handler = func(api.Session) { t.Error("the handler was told of a session") }
				admitted := make(chan api.AdmitRequest, 1)
				server.Config.Admit = func(_ context.Context, r api.AdmitRequest) (api.Grant, error) {
					admitted <- r
					return test.grant, test.err
				}
				err := dialled(t, server, start(), &api.Config{Versions: []api.Version{v}})
				checkRefusal(t, err, (<-admitted).State.Transport, test.is)
			})
		})
	}
}

// TestSlowAdmission: the question is given up after ten seconds, also if Admit
// ignores that, and clients wait for that.
func TestSlowAdmission(t *testing.T) {
	overEachVersion(t, func(t *testing.T, v api.Version, server *moqtest.Server, start func() string) {
		over := make(chan struct{})
		defer close(over)
		transports := make(chan string, 1)
		server.Config.Admit = func(ctx context.Context, r api.AdmitRequest) (api.Grant, error) {
			transports <- r.State.Transport
			<-over
			return api.GrantAll(), nil
		}
		url, began := start(), time.Now()
		err := dialled(t, server, url, &api.Config{Versions: []api.Version{v}})
		checkRefusal(t, err, <-transports, api.ErrUnavailable)
		if took := time.Since(began); took < 10*time.Second || took > 11*time.Second {
			t.Errorf("it took %v", took)
		}
	})
}

// A panic of Admit is no refusal.
func TestAdmitPanics(t *testing.T) {
	overEach(t, func(t *testing.T, server *moqtest.Server, start func() string) {
		server.Config.Admit = func(context.Context, api.AdmitRequest) (api.Grant, error) { panic("oops") }
		if err := dialled(t, server, start(), nil); !errors.Is(err, api.ErrUnavailable) {
			t.Error(err)
		}
	})
}

// TestRoleNotGranted: who declares that it only publishes, and may not, is
// refused, where the server knows it in time.
func TestRoleNotGranted(t *testing.T) {
	for _, test := range []struct {
		role  api.Role
		grant api.Grant
		may   bool
	}{
		{api.RolePublisher, api.Grant{Subscribe: api.Patterns{"**"}}, false},
		{api.RoleSubscriber, api.Grant{Publish: api.Patterns{"**"}}, false},
		{api.RolePublisher, api.Grant{Publish: api.Patterns{"a"}}, true},
		{api.RoleSubscriber, api.Grant{Subscribe: api.Patterns{"a"}}, true},
		{api.RoleBoth, api.Grant{Subscribe: api.Patterns{"a"}}, true},
	} {
		overEachVersion(t, func(t *testing.T, v api.Version, server *moqtest.Server, start func() string) {
			asked := make(chan api.SessionState, 1)
			server.Config.Admit = func(_ context.Context, r api.AdmitRequest) (api.Grant, error) {
				asked <- r.State
				return test.grant, nil
			}
			err := dialled(t, server, start(), &api.Config{Versions: []api.Version{v}, Role: test.role})
			state := <-asked
			known := withSetup(v) && state.Transport != "websocket"
			if known && state.Peer.Role != test.role || !known && state.Peer.Role != api.RoleBoth {
				t.Errorf("asked about the role %v", state.Peer.Role)
			}
			if !known || test.may {
				if err != nil {
					t.Error(err)
				}
				return
			}
			checkRefusal(t, err, state.Transport, api.ErrUnauthorized)
		})
	}
}

// TestAdmitRequest checks what Admit is asked with.
func TestAdmitRequest(t *testing.T) {
	overEachVersion(t, func(t *testing.T, v api.Version, server *moqtest.Server, start func() string) {
		asked, sessions := make(chan api.AdmitRequest, 1), make(chan api.Session, 1)
		server.Config.Admit = func(_ context.Context, r api.AdmitRequest) (api.Grant, error) {
			asked <- r
			return api.Grant{Subscribe: api.Patterns{"**"}, Value: "alice"}, nil
		}
		server.Config.Handler = func(s api.Session) { sessions <- s }
		u := start()
		c := server.Client()
		c.Config, c.Header = &api.Config{Versions: []api.Version{v}}, http.Header{"X-Room": {"1"}}
		dial := withPath(u, "//demo/a%2Fb/?jwt=old&jwt=%2E&jwt=")
		if parsed, _ := url.Parse(u); !withSetup(v) && (parsed.Scheme == "moqt" || parsed.Scheme == "tls") {
			dial = u // the version cannot carry a path over this transport
		}
		if _, err := c.Dial(t.Context(), dial, nil); err != nil {
			t.Fatal(err)
		}
		r, state := <-asked, (<-sessions).State()
		if dial != u && (r.State.Root != "demo/a%2Fb" || r.Token != "%2E" || r.State.URL.EscapedPath() != "//demo/a%2Fb/") {
			t.Errorf("asked about %q with the token %q", r.State.Root, r.Token)
		}
		if len(r.State.ID) != 32 || r.State.ID != state.ID || r.State.Root != state.Root {
			t.Errorf("asked about %q at %q, and the session is %q at %q", r.State.ID, r.State.Root, state.ID, state.Root)
		}
		if r.State.Version != v || r.State.Remote == nil || r.State.Value != nil || state.Value != "alice" {
			t.Errorf("asked about %+v", r.State)
		}
		web := state.Transport == "webtransport" || state.Transport == "websocket"
		if web != (r.Header.Get("X-Room") == "1") || !web && r.Header != nil {
			t.Errorf("the header is %v over %s", r.Header, state.Transport)
		}
	})
}

// TestRequestedHost checks that Admit is told the name that was dialled, without
// the port.
func TestRequestedHost(t *testing.T) {
	for _, scheme := range []string{"moqt", "https", "wss", "ws", "tls"} {
		for _, v := range []api.Version{api.Lite04, api.Lite06} {
			hosts := make(chan string, 1)
			server := moqtest.NewUnstartedServer(api.NewTrackMux())
			server.Config.Admit = func(_ context.Context, r api.AdmitRequest) (api.Grant, error) {
				hosts <- r.Host
				return api.GrantAll(), nil
			}
			server.StartSockets()
			_, port, _ := strings.Cut(strings.TrimPrefix(server.URL, "moqt://"), ":")
			c := server.Client()
			c.Config = &api.Config{Versions: []api.Version{v}}
			if _, err := c.Dial(t.Context(), scheme+"://LocalHost:"+port, nil); err != nil {
				t.Error(err)
			} else if host := <-hosts; host != "localhost" {
				t.Errorf("%s %s: %q", scheme, v, host)
			}
			server.Close()
		}
	}
}

// TestGrantedRoot puts sessions elsewhere than where they have dialled.
func TestGrantedRoot(t *testing.T) {
	for _, v := range api.Versions() {
		overEach(t, func(t *testing.T, server *moqtest.Server, start func() string) {
			roots := map[string]api.BroadcastPath{"publisher": "/tenant//room/", "viewer": "tenant", "above": "/", "": ""}
			server.Config.Admit = func(_ context.Context, r api.AdmitRequest) (api.Grant, error) {
				g := api.GrantAll()
				g.Root = roots[r.Header.Get("X-Who")]
				return g, nil
			}
			sessions := make(chan api.Session, 1)
			server.Config.Handler = func(s api.Session) { sessions <- s }
			checkGrantedRoot(t, v, server, start(), sessions)
		})
	}
}

// checkGrantedRoot publishes at a root, and looks from there and from the root of all.
func checkGrantedRoot(t *testing.T, v api.Version, server *moqtest.Server, u string, sessions <-chan api.Session) {
	if !strings.HasPrefix(u, "https") && !strings.HasPrefix(u, "wss") {
		return // no header says who it is
	}
	dial := func(who string, mux *api.TrackMux) (client, atServer api.Session) {
		c := server.Client()
		c.Config, c.Header = &api.Config{Versions: []api.Version{v}}, http.Header{"X-Who": {who}}
		s, err := c.Dial(t.Context(), withPath(u, "/alias"), mux)
		if err != nil {
			t.Fatal(err)
		}
		return s, <-sessions
	}
	mux := api.NewTrackMux()
	if err := mux.PublishFunc(t.Context(), "cam", echo); err != nil {
		t.Fatal(err)
	}
	_, publisher := dial("publisher", mux)
	if root := publisher.State().Root; root != "tenant/room" || publisher.State().URL.Path != "/alias" {
		t.Errorf("it stands at %q", root)
	}
	if a, err := api.WaitAnnounced(t.Context(), publisher, "tenant/room/cam"); err != nil || a.Path != "tenant/room/cam" {
		t.Errorf("the server is told of %q, %v", a.Path, err)
	}
	if _, err := publisher.Subscribe(t.Context(), "alias/cam", "track", nil); !errors.Is(err, api.ErrNotFound) {
		t.Errorf("where it was dialled: %v", err)
	}
	if err := server.Config.Mux.PublishFunc(t.Context(), "tenant/x", echo); err != nil {
		t.Fatal(err)
	}
	for who, path := range map[string]api.BroadcastPath{"viewer": "x", "above": "tenant/x"} {
		s, atServer := dial(who, nil)
		if a, err := api.WaitAnnounced(t.Context(), s, path); err != nil || a.Path != path {
			t.Errorf("%s is told of %q, %v", who, a.Path, err)
		}
		if _, err := s.Subscribe(t.Context(), path, "track", nil); err != nil {
			t.Error(who, err)
		}
		if root := atServer.State().Root; root.Join(path) != "tenant/x" {
			t.Errorf("%s stands at %q", who, root)
		}
	}
	if _, atServer := dial("", nil); atServer.State().Root != "alias" {
		t.Errorf("it stands at %q, and not where it was dialled", atServer.State().Root)
	}
}
