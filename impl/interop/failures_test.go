//go:build unix

package interop_test

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

// TestCutShort ends one of the three programs while a file goes through a
// relay: the subscriber fails, and leaves nothing that could be taken for the
// file.
func TestCutShort(t *testing.T) {
	tests := []struct {
		name string
		cut  func(pub, relay, sub *process)
	}{
		{"relay killed", func(_, relay, _ *process) { relay.signal(syscall.SIGKILL) }},
		{"publisher killed", func(pub, _, _ *process) { pub.signal(syscall.SIGKILL) }},
		{"subscriber interrupted", func(_, _, sub *process) { sub.signal(syscall.SIGINT) }},
	}
	for _, r := range relays {
		for _, scheme := range schemes {
			for _, test := range tests {
				t.Run(fmt.Sprintf("%s %s %s", r.name, scheme, test.name), func(t *testing.T) {
					t.Parallel()
					addr, relay := r.start(t)
					s := side{scheme, ""}
					dir := t.TempDir()
					pub := moq(t, s.args(addr, "pub", "endless", "--source", "pattern", "--interval", "20ms", "--insecure")...)
					sub := moq(t, s.args(addr, "sub", "endless", track, "--output", filepath.Join(dir, "out"), "--insecure", "--reconnect", "3s")...)
					sub.expect("frame")
					test.cut(pub, relay, sub)
					if status := sub.wait(); status != 1 {
						t.Errorf("the subscriber ended with status %d, want 1", status)
					}
					left, err := os.ReadDir(dir)
					if err != nil {
						t.Fatal(err)
					}
					if len(left) > 0 {
						t.Errorf("left behind: %v", left)
					}
				})
			}
		}
	}
}

// TestRelayKilledUnderPublisher checks that a publisher fails when its relay is
// gone for good.
func TestRelayKilledUnderPublisher(t *testing.T) {
	for _, scheme := range schemes {
		t.Run(scheme, func(t *testing.T) {
			t.Parallel()
			addr, relay := moqRelay(t)
			pub := moq(t, side{scheme, ""}.args(addr, "pub", "endless", "--source", "pattern", "--insecure", "--reconnect", "3s")...)
			pub.expect("publishing")
			relay.signal(syscall.SIGKILL)
			if status := pub.wait(); status != 1 {
				t.Errorf("status %d, want 1", status)
			}
		})
	}
}

// TestMistakes checks that mistakes of users with servers that are not ours are
// reported soon, in a sentence.
func TestMistakes(t *testing.T) {
	old, _ := moqRelay(t, "--listen-version", "moq-lite-05")
	all, _ := moqRelay(t)
	moq(t, "pub", "moqt://"+all, broadcast, "--source", "pattern", "--insecure", "--json").expect("publishing")
	tests := []struct {
		name, addr, says string
		args             []string // the first is the command
	}{
		{"no common version to subscribe", old, "no common moq-lite version", []string{"sub", broadcast, track, "--version-only", "moq-lite-03", "--insecure"}},
		{"no common version to publish", old, "no common moq-lite version", []string{"pub", broadcast, "--source", "pattern", "--version-only", "moq-lite-06", "--insecure"}},
		{"no common version to list", old, "no common moq-lite version", []string{"ls", "--version-only", "moq-lite-04", "--insecure"}},
		{"untrusted certificate", all, "--fingerprint", []string{"ls"}},
		{"other certificate", all, "fingerprint", []string{"ls", "--fingerprint", strings.Repeat("0f", 32)}},
		{"not announced", all, "nobody has announced", []string{"sub", "not/there", track, "--insecure"}},
		{"no such track", all, "not found", []string{"sub", broadcast, "nope", "--insecure"}},
		{"unauthorized", all + "/?jwt=secret", "unauthorized", []string{"ls", "--insecure"}},
	}
	for _, test := range tests {
		for _, scheme := range schemes {
			t.Run(scheme+" "+test.name, func(t *testing.T) {
				t.Parallel()
				const timeout = 7 * time.Second
				began := time.Now()
				p := moq(t, slices.Concat(test.args[:1], []string{scheme + "://" + test.addr}, test.args[1:], []string{"--timeout", timeout.String()})...)
				checkRefused(t, p, test.says)
				if took := time.Since(began); took > timeout+2*time.Second {
					t.Errorf("it took %v", took)
				}
			})
		}
	}
}

// TestNoSuchTrack asks each server for a track that it does not have.
func TestNoSuchTrack(t *testing.T) {
	for _, srv := range servers {
		for _, version := range srv.versions {
			t.Run(srv.name+" "+version, func(t *testing.T) {
				t.Parallel()
				addr, _ := srv.start(t, "pub")
				// @moq/net does not tell why it refuses.
				says := map[string]string{"node": "nope", "python": "not found"}[srv.name]
				checkRefused(t, moq(t, side{"moqt", version}.args(addr, "sub", broadcast, "nope", "--insecure")...), says)
			})
		}
	}
}

// checkRefused checks that a program of ours fails with one sentence that gives
// the reason, and without what no error may contain.
func checkRefused(t *testing.T, p *process, says string) {
	t.Helper()
	if status := p.wait(); status != 1 {
		t.Errorf("status %d, want 1", status)
	}
	said := p.said()
	if first, rest, _ := strings.Cut(said, "\n"); strings.HasPrefix(first, "waiting for ") { // it has told what for
		said = rest
	}
	lines := strings.Split(strings.TrimSpace(said), "\n")
	if len(lines) != 1 || !strings.HasPrefix(said, "moq: ") || !strings.Contains(said, says) ||
		slices.ContainsFunc([]string{"goroutine", "secret"}, func(never string) bool { return strings.Contains(said, never) }) {
		t.Errorf("it says:\n%s\nwant one sentence with %q", said, says)
	}
}
