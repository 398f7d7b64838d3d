package wire_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/moqlite/moqlite/api"
	"github.com/moqlite/moqlite/wire"
)

// TestOrigins connects from a web page of another origin, and of one that may.
func TestOrigins(t *testing.T) {
	server, closeServer := wire.NewServer(wire.Options{
		Addr: "127.0.0.1:0", Mux: api.NewTrackMux(),
		Origins: []string{"https://app.example.com"},
	})
	defer closeServer()
	addr, err := server.Listen()
	if err != nil {
		t.Fatal(err)
	}
	go func() { _ = server.ListenAndServe() }()
	for _, test := range []struct {
		origin string
		status int
	}{
		{"https://elsewhere.example.com", http.StatusForbidden},
		{"https://app.example.com", http.StatusSwitchingProtocols},
	} {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+addr.String()+"/", nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Header = http.Header{
			"Connection": {"Upgrade"}, "Upgrade": {"websocket"}, "Origin": {test.origin},
			"Sec-Websocket-Version": {"13"}, "Sec-Websocket-Key": {"AAAAAAAAAAAAAAAAAAAAAA=="},
			"Sec-Websocket-Protocol": {"qmux-01.moq-lite-06"},
		}
		response, err := http.DefaultTransport.RoundTrip(r)
		if err != nil {
			t.Fatal(err)
		}
		defer response.Body.Close()
		if response.StatusCode != test.status {
			t.Errorf("a page of %s: %s", test.origin, response.Status)
		}
	}
}

// TestHTTP asks each server for a page.
func TestHTTP(t *testing.T) {
	options := wire.Options{
		Mux: api.NewTrackMux(), HTTP: http.RedirectHandler("/elsewhere", http.StatusTeapot),
	}
	for name, provide := range map[string]func(wire.Options) (api.Server, func()){
		"network": wire.NewServer, "memory": wire.NewMemoryServer,
	} {
		server, closeServer := provide(options)
		defer closeServer()
		answer := httptest.NewRecorder()
		server.ServeHTTP(answer, httptest.NewRequest(http.MethodGet, "https://example.com/", nil))
		if answer.Code != http.StatusTeapot {
			t.Errorf("%s: %d", name, answer.Code)
		}
	}
}

// TestHeader sends a header with the request of a client, to a server that asks for
// admission.
func TestHeader(t *testing.T) {
	seen := make(chan string, 1)
	server, closeServer := wire.NewServer(wire.Options{
		Addr: "127.0.0.1:0", Mux: api.NewTrackMux(),
		Admit: func(_ context.Context, r api.AdmitRequest) (api.Grant, error) {
			seen <- r.Header.Get("X-Example")
			return api.GrantAll(), nil
		},
	})
	defer closeServer()
	addr, err := server.Listen()
	if err != nil {
		t.Fatal(err)
	}
	go func() { _ = server.ListenAndServe() }()
	client, closeClient := wire.NewWebSocketClient(wire.Options{Header: http.Header{"X-Example": {"here"}}})
	defer closeClient()
	if _, err := client.Dial(t.Context(), "ws://"+addr.String(), api.NewTrackMux()); err != nil {
		t.Fatal(err)
	}
	if got := <-seen; got != "here" {
		t.Errorf("the server sees %q", got)
	}
}
