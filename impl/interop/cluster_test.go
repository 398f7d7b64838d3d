//go:build unix

package interop_test

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestCluster makes our relay a client of one node in a cluster of two
// moq-relays: what is published at any of the three can be read at any other.
func TestCluster(t *testing.T) {
	first, _ := moqRelay(t)
	second, _ := moqRelay(t, "--cluster-connect", "http://"+first+"/")
	for _, version := range versions {
		t.Run(version, func(t *testing.T) {
			t.Parallel()
			ours, _ := relayOf(t, "http://"+first, version)
			for _, way := range []struct {
				name     string
				from, to string
			}{
				{"ours to the other node", ours, second},
				{"the other node to ours", second, ours},
				{"ours to its node", ours, first},
				{"its node to ours", first, ours},
			} {
				t.Run(way.name, func(t *testing.T) { throughCluster(t, way.from, way.to) })
			}
		})
	}
}

// relayOf starts moq relay as a client of another relay, in a version.
func relayOf(t *testing.T, url, version string) (addr string, relay *process) {
	t.Helper()
	relay = moq(t, "relay", "--listen", "127.0.0.1:0", "--connect", url, "--version-only", version, "--json")
	return strings.TrimPrefix(relay.expect("ready")["url"].(string), "https://"), relay
}

// throughCluster sends content from one relay to another. The track ends only
// when all of it has arrived: moq-relay 0.17.10 treats an end that comes from
// another node as if its readers had left, and drops the groups that are still
// on the way.
func throughCluster(t *testing.T, from, to string) {
	t.Helper()
	_, content := randomFile(t, 3<<20)
	out := filepath.Join(t.TempDir(), "out")
	path := strings.NewReplacer(" ", "-").Replace(t.Name())
	pub, hangUp := startFed(t, content, binary, "pub", "http://"+from, path, "--chunk", "65536", "--json", "--timeout", "30s")
	sub := moq(t, "sub", "http://"+to, path, track, "--groups", "3", "--output", out, "--json", "--timeout", "30s")
	sub.succeed()
	hangUp()
	pub.succeed()
	got, err := os.ReadFile(out)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, content) {
		t.Errorf("%d bytes arrived of %d, or other ones", len(got), len(content))
	}
}
