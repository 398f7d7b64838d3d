package auth_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/moqlite/moqlite/api"
	"github.com/moqlite/moqlite/impl"
	"github.com/moqlite/moqlite/impl/auth"
	"github.com/moqlite/moqlite/impl/moqtest"
)

// A way is how a client reaches a server.
type way struct {
	scheme  string
	version api.Version
}

func (w way) String() string { return w.scheme + " " + string(w.version) }

// ways returns all that carry a path and a query: over native QUIC and TCP SETUP does.
func ways() (all []way) {
	for _, v := range api.Versions() {
		all = append(all, way{"https", v}, way{"ws", v})
		if v >= api.Lite05 {
			all = append(all, way{"moqt", v}, way{"tcp", v})
		}
	}
	return all
}

// deciding starts a server that asks the policy in force.
func deciding(t *testing.T, policy *atomic.Pointer[auth.Policy]) *moqtest.Server {
	t.Helper()
	server := moqtest.NewUnstartedServer(api.NewTrackMux())
	server.Config.Admit = func(ctx context.Context, r api.AdmitRequest) (api.Grant, error) { return policy.Load().Admit(ctx, r) }
	server.StartSockets()
	t.Cleanup(server.Close)
	return server
}

// clientOf returns a client of one version.
func clientOf(server *moqtest.Server, v api.Version) *impl.Client {
	client := server.Client()
	client.Config = &api.Config{Versions: []api.Version{v}}
	return client
}

// verdictOf dials, and says what became of the session. A request is answered where it is
// admitted: there is nothing.
func verdictOf(ctx context.Context, client *impl.Client, url string) string {
	session, err := client.Dial(ctx, url, api.NewTrackMux())
	if err == nil {
		defer session.Terminate(api.SessionNoError, "")
		_, err = session.Subscribe(ctx, "nothing", "here", nil)
		if answered, ok := errors.AsType[*api.StreamError](err); ok && answered.Remote {
			return "admitted"
		}
	}
	switch {
	case errors.Is(err, api.ErrUnauthorized):
		return "refused"
	case errors.Is(err, api.ErrUnavailable):
		return "unavailable"
	default:
		return fmt.Sprint(err)
	}
}

// TestVerdictsOverTransports dials a server with each vector, over each transport and in
// each version: whom it admits depends on neither.
func TestVerdictsOverTransports(t *testing.T) {
	file, keys := vectors[tokenFile](t, "tokens"), testKeys(t)
	var policy atomic.Pointer[auth.Policy]
	server := deciding(t, &policy)
	clients := map[way]*impl.Client{}
	for _, w := range ways() {
		clients[w] = clientOf(server, w.version)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	for i, c := range file.Cases {
		if testing.Short() && i%3 > 0 {
			continue
		}
		policy.Store(c.policy(t, keys))
		query, want := c.Query, "refused"
		if c.Token != "" {
			query = "jwt=" + file.Tokens[c.Token]
		}
		if c.Granted != nil {
			want = "admitted"
		}
		for w, client := range clients {
			url := w.scheme + strings.TrimPrefix(server.URL, "moqt") + c.Path
			if query != "" {
				url += "?" + query
			}
			if got := verdictOf(ctx, client, url); got != want {
				t.Errorf("%s over %v: %s, want %s", c.ID, w, got, want)
			}
		}
	}
}

// TestTokensThatCannotBeCarried: where nothing carries a token, its session is not begun
// without it.
func TestTokensThatCannotBeCarried(t *testing.T) {
	key, err := auth.NewKey("HS256", "k1")
	if err != nil {
		t.Fatal(err)
	}
	token, err := key.Issue(auth.Claims{Subscribe: api.Patterns{"**"}})
	if err != nil {
		t.Fatal(err)
	}
	var policy atomic.Pointer[auth.Policy]
	policy.Store(&auth.Policy{Keys: auth.Set(key)})
	server := deciding(t, &policy)
	for _, v := range []api.Version{api.Lite03, api.Lite04} {
		for _, scheme := range []string{"moqt", "tcp"} {
			client, url := clientOf(server, v), scheme+strings.TrimPrefix(server.URL, "moqt")
			if s, err := client.Dial(t.Context(), url+"/?jwt="+token, api.NewTrackMux()); !errors.Is(err, api.ErrNotSupported) {
				t.Errorf("%s %s: %v, %v", scheme, v, s, err)
			}
			if got := verdictOf(t.Context(), client, url); got != "refused" {
				t.Errorf("%s %s without a token: %s", scheme, v, got)
			}
		}
	}
}
