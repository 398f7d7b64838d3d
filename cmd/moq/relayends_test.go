package main

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"time"

	"github.com/moqlite/moqlite/api"
	"github.com/moqlite/moqlite/impl"
	"github.com/moqlite/moqlite/transport/transporttest"
)

// TestRelayTellsEnds: a relay tells the server of --auth-url how each session has ended
// before it exits, those included that live until then.
func TestRelayTellsEnds(t *testing.T) {
	transporttest.NoLeaks(t)
	const sessions = 10
	var began, ended atomic.Int32
	asked := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var e struct{ Event string }
		_ = json.NewDecoder(r.Body).Decode(&e)
		if e.Event == "end" {
			time.Sleep(200 * time.Millisecond) // it takes a while, and the relay waits
			ended.Add(1)
			return
		}
		began.Add(1)
		_, _ = w.Write([]byte(`{"publish":["**"],"subscribe":["**"]}`))
	}))
	defer asked.Close()
	relay := start(t, "", "relay", "--listen", "127.0.0.1:0", "--json", "--auth-url", asked.URL)
	relay.out.await(t, "\n")
	client := &impl.Client{Config: &api.Config{WaitForSetup: true}} // a session that is dialled is admitted
	defer client.Close()
	for range sessions {
		if _, err := client.Dial(t.Context(), "http"+relay.lines()[0]["url"].(string)[len("https"):], api.NewTrackMux()); err != nil {
			t.Fatal(err)
		}
	}
	relay.cancel()
	relay.wait(exitDone)
	if b, e := began.Load(), ended.Load(); b != sessions || e != sessions {
		t.Errorf("%d sessions were admitted, and of %d the end was told", b, e)
	}
}
