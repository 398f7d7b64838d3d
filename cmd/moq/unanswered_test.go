package main

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/moqlite/moqlite/api"
	"github.com/moqlite/moqlite/transport/transporttest"
)

// TestRelayLogsOnce: a session on which there is no answer is one line, with the reason.
func TestRelayLogsOnce(t *testing.T) {
	transporttest.NoLeaks(t)
	asked := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusTeapot)
	}))
	defer asked.Close()
	relay := start(t, "", "relay", "--listen", "127.0.0.1:0", "--json", "--auth-url", asked.URL)
	relay.out.await(t, "\n")
	addr := strings.TrimPrefix(relay.lines()[0]["url"].(string), "https://")
	if err := admittedTo(t, addr, "/room"); !errors.Is(err, api.ErrUnavailable) {
		t.Errorf("the client sees %v", err)
	}
	relay.cancel()
	relay.wait(exitDone)
	if said := relay.err.String(); strings.Count(said, "status 418") != 1 || strings.Count(said, "level=WARN") != 1 {
		t.Errorf("it says\n%s", said)
	}
}
