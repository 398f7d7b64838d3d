package impl_test

import (
	"context"
	"crypto/tls"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/moqlite/moqlite/api"
	"github.com/moqlite/moqlite/impl"
	"github.com/moqlite/moqlite/transport"
)

// refusing starts a WebSocket server that refuses all, and returns its address
// and the headers of the requests.
func refusing(t *testing.T, start func(http.Handler) *httptest.Server) (addr string, headers chan http.Header) {
	headers = make(chan http.Header, 8)
	server := start(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		headers <- r.Header.Clone()
		w.WriteHeader(http.StatusUnauthorized)
	}))
	t.Cleanup(server.Close)
	_, addr, _ = strings.Cut(server.URL, "://")
	return addr, headers
}

// TestClientHeader: the header is in the requests of WebSocket, dialled or
// fallen back to, and of WebTransport.
func TestClientHeader(t *testing.T) {
	plain, overWS := refusing(t, httptest.NewServer)
	secure, overWSS := refusing(t, httptest.NewTLSServer)
	overWebTransport := make(chan http.Header, 8)
	dialWebTransport := func(_ context.Context, _ string, header http.Header, _ *tls.Config) (*http.Response, transport.Conn, error) {
		overWebTransport <- header
		return nil, nil, transport.ErrUnauthorized
	}
	for name, test := range map[string]struct {
		client *impl.Client
		url    string
		seen   chan http.Header
	}{
		"websocket":            {&impl.Client{}, "ws://" + plain, overWS},
		"fallback":             {&impl.Client{}, "https://" + secure, overWSS},
		"webtransport":         {&impl.Client{DialWebTransportFunc: dialWebTransport}, "https://" + secure, overWebTransport},
		"a transport of yours": {&impl.Client{Transport: transport.WithFallback(impl.NewTransport(nil, nil))}, "ws://" + plain, overWS},
	} {
		t.Run(name, func(t *testing.T) {
			c := client(t, test.client)
			c.TLSConfig = &tls.Config{InsecureSkipVerify: true}
			c.Header = http.Header{"Authorization": {"Basic secret"}, "X-Tenant": {"1", "2"}}
			_, err := c.Dial(t.Context(), test.url, api.NewTrackMux())
			if !errors.Is(err, api.ErrUnauthorized) || strings.Contains(err.Error(), "secret") {
				t.Fatal(err)
			}
			got := <-test.seen
			if got.Get("Authorization") != "Basic secret" || strings.Join(got.Values("X-Tenant"), " ") != "1 2" {
				t.Errorf("the server sees %v", got)
			}
			got.Set("X-Tenant", "changed")
			if c.Header.Get("X-Tenant") != "1" {
				t.Error("the client's header is not copied")
			}
		})
	}
}

// TestClientHeaderIsRefused where it would break the request, whichever
// transport would send it first.
func TestClientHeaderIsRefused(t *testing.T) {
	for _, url := range []string{"ws://127.0.0.1:1", "https://127.0.0.1:1"} {
		c := client(t, &impl.Client{Header: http.Header{"Sec-Websocket-Key": {"secret"}}})
		_, err := c.Dial(t.Context(), url, api.NewTrackMux())
		failed, ok := errors.AsType[*api.DialError](err)
		if !ok || failed.Phase != api.PhaseResolve || !strings.Contains(err.Error(), "remove Sec-Websocket-Key") || strings.Contains(err.Error(), "secret") {
			t.Errorf("%s: %v", url, err)
		}
	}
}
