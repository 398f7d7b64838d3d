package main

import (
	"strings"
	"testing"

	"github.com/moqlite/moqlite/transport/transporttest"
)

// TestRelayConnects has a relay share what there is with another one, and again
// after that was restarted.
func TestRelayConnects(t *testing.T) {
	transporttest.NoLeaks(t)
	listen := func(args ...string) (relay *command, addr string) {
		relay = start(t, "", append([]string{"relay", "--json"}, args...)...)
		relay.out.await(t, "\n")
		return relay, strings.TrimPrefix(relay.lines()[0]["url"].(string), "https://")
	}
	far, addr := listen("--listen", "127.0.0.1:0")
	near, nearAddr := listen("--listen", "127.0.0.1:0", "--connect", "moqt://"+addr, "--insecure")
	for _, path := range []string{"first", "second"} {
		pub := start(t, "hello\n", "pub", "moqt://"+addr, path, "--insecure")
		sub := start(t, "", "sub", "moqt://"+nearAddr, path, "data", "--insecure")
		sub.wait(exitDone)
		pub.wait(exitDone)
		if got := sub.out.String(); got != "hello\n" {
			t.Errorf("%s: read %q", path, got)
		}
		far.cancel()
		far.wait(exitDone)
		if path == "first" {
			near.err.await(t, "lost")
			far, _ = listen("--listen", addr)
		}
	}
	near.cancel()
	near.wait(exitDone)
}

func TestRelayCannotConnect(t *testing.T) {
	c := start(t, "", "relay", "--listen", "127.0.0.1:0", "--connect", "moqt://127.0.0.1:1", "--timeout", "2s")
	c.wait(exitFailed)
	if !strings.Contains(c.err.String(), "moqt://127.0.0.1:1") {
		t.Errorf("it says %s", c.err)
	}
}
