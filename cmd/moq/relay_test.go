package main

import (
	"fmt"
	"net"
	"os"
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
	far, addr := listen("--listen", lowPort(t))
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

// lowPort is an address that is free, and below those that systems give to
// clients: it is still free when a server comes back to it.
func lowPort(t *testing.T) string {
	t.Helper()
	for port := 10_000 + os.Getpid()%10_000; port < 30_000; port++ {
		addr := fmt.Sprintf("127.0.0.1:%d", port)
		udp, err := net.ListenPacket("udp", addr)
		if err != nil {
			continue
		}
		_ = udp.Close()
		tcp, err := net.Listen("tcp", addr)
		if err == nil {
			_ = tcp.Close()
			return addr
		}
	}
	t.Fatal("no free port")
	return ""
}

func TestRelayCannotConnect(t *testing.T) {
	c := start(t, "", "relay", "--listen", "127.0.0.1:0", "--connect", "moqt://127.0.0.1:1", "--timeout", "2s")
	c.wait(exitFailed)
	if !strings.Contains(c.err.String(), "moqt://127.0.0.1:1") {
		t.Errorf("it says %s", c.err)
	}
}
