//go:build unix

package interop_test

import (
	"fmt"
	"syscall"
	"testing"
	"time"
)

// TestRelayKilled kills our relay and starts it again at once. A publisher,
// which sends, is back within a second and a half: what it sends is answered by
// the end of its connection. A reader, which only receives, is back when it has
// asked for a sign of life, after three seconds of silence; in moq-lite-03, which
// does not tell who publishes, it then compares numbers for a second.
func TestRelayKilled(t *testing.T) {
	for _, s := range []side{
		{"moqt", "moq-lite-06"}, {"moqt", "moq-lite-03"}, {"https", "moq-lite-06"}, {"https", "moq-lite-04"}, {"ws", ""}, {"tcp", ""},
	} {
		t.Run(fmt.Sprint(s), func(t *testing.T) {
			t.Parallel()
			addr := freePort(t)
			serve := func() *process {
				relay := moq(t, "relay", "--listen", addr, "--json")
				relay.expect("ready")
				return relay
			}
			relay := serve()
			moq(t, s.args(addr, "pub", "chaos", "--source", "pattern", "--interval", pace.String(), "--insecure")...)
			reader := moq(t, s.args(addr, "sub", "chaos", track, "--insecure")...)
			for range 50 {
				reader.expect("sha256")
			}
			relay.signal(syscall.SIGKILL)
			<-relay.exited
			killed := time.Now()
			serve()
			started := time.Now()
			moq(t, s.args(addr, "ls", "--watch", "--insecure")...).expect("path")
			published := time.Since(killed)
			read := reader.expectAfter(started, "sha256").Sub(killed)
			reader.signal(syscall.SIGTERM)
			t.Logf("back after the kill: the relay after %v, the publisher %v, the reader %v", started.Sub(killed).Round(time.Millisecond),
				published.Round(time.Millisecond), read.Round(time.Millisecond))
			within := 4 * time.Second
			if s.version == "moq-lite-03" {
				within += 2 * time.Second
			}
			if published > 1500*time.Millisecond || read > within {
				t.Errorf("the publisher is back after %v, the reader after %v", published, read)
			}
		})
	}
}

// expectAfter waits for a line with a key that was printed after a time, and
// returns when it was.
func (p *process) expectAfter(start time.Time, key string) time.Time {
	p.t.Helper()
	for {
		p.expect(key)
		p.mu.Lock()
		at := p.at[p.taken-1]
		p.mu.Unlock()
		if at.After(start) {
			return at
		}
	}
}
