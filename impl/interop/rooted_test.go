//go:build unix

package interop_test

import (
	"slices"
	"testing"
)

// TestRootedClients makes each client publish and subscribe below a path of our
// relay, with its newest version: what it calls interop/test at /demo is
// demo/interop/test at the root, and is visible nowhere else.
func TestRootedClients(t *testing.T) {
	for _, c := range clients {
		for _, scheme := range c.schemes {
			theirs := side{scheme, ""}
			t.Run(c.name+" "+theirs.String()+" publishes", func(t *testing.T) {
				t.Parallel()
				addr, _ := ourRelay(t, "")
				pub := c.start(t, theirs, addr+"/demo", "pub", theirs.toItsEnd()...)
				ourSub(t, side{"moqt", ""}, addr, "demo/"+broadcast)
				pub.succeed()
			})
			t.Run(c.name+" "+theirs.String()+" subscribes", func(t *testing.T) {
				t.Parallel()
				addr, _ := ourRelay(t, "")
				pub := ourPub(t, side{"moqt", ""}, addr+"/demo")
				pub.expect("publishing")
				checkListed(t, addr, "demo/"+broadcast)
				checkListed(t, addr+"/demo/interop", "test")
				checkListed(t, addr+"/other")
				sub := c.start(t, theirs, addr+"/demo", "sub")
				sub.succeed()
				checkPattern(t, sub)
				pub.succeed()
			})
		}
	}
}

// checkListed checks what is announced at an address with a path.
func checkListed(t *testing.T, addr string, want ...string) {
	t.Helper()
	ls := moq(t, side{"moqt", ""}.args(addr, "ls", "--insecure")...)
	ls.succeed()
	var got []string
	for _, line := range printed[struct{ Path string }](ls) {
		got = append(got, line.Path)
	}
	if !slices.Equal(got, want) {
		t.Errorf("announced at %s: %q, want %q", addr, got, want)
	}
}
