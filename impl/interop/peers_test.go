package interop_test

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"testing"
)

// What the peers publish, and how much of it is read.
const (
	broadcast = "interop/test"
	track     = "data"
	groups    = 3
	frames    = 2
	frameSize = 3000
)

// digest is the SHA-256 of a frame of the test pattern.
func digest(group, frame, size int) string {
	sum := sha256.Sum256(fmt.Appendf(nil, "%s/%s/%d/%d", broadcast, track, group, frame))
	payload := make([]byte, size)
	for n := 0; n < size; {
		n += copy(payload[n:], sum[:])
	}
	sum = sha256.Sum256(payload)
	return hex.EncodeToString(sum[:])
}

// peerArgs are the flags that all wrappers of other implementations share.
func peerArgs(role, url string, rest ...string) []string {
	return append([]string{
		role, "--url", url, "--broadcast", broadcast, "--track", track, "--timeout", "40",
		"--groups", fmt.Sprint(groups), "--frames-per-group", fmt.Sprint(frames), "--size", fmt.Sprint(frameSize),
	}, rest...)
}

// ourPub publishes the pattern as the peers do.
func ourPub(t *testing.T, s side, addr string) *process {
	t.Helper()
	return moq(t, s.args(addr, "pub", broadcast, "--source", "pattern", "--interval", "50ms",
		"--groups", fmt.Sprint(groups), "--frames", fmt.Sprint(frames), "--size", fmt.Sprint(frameSize))...)
}

// ourSub reads the pattern and checks every frame.
func ourSub(t *testing.T, s side, addr string) {
	t.Helper()
	checkFrames(t, moq(t, s.args(addr, "sub", broadcast, track, "--groups", fmt.Sprint(groups))...))
}

// checkFrames checks what moq sub --json prints.
func checkFrames(t *testing.T, sub *process) {
	t.Helper()
	seen := 0
	for _, object := range sub.succeed() {
		if gap, ok := object["gap"]; ok {
			t.Errorf("lost groups %v", gap)
		}
		if _, ok := object["frame"]; !ok {
			continue
		}
		group, frame := int(object["group"].(float64)), int(object["frame"].(float64))
		if object["size"] != float64(frameSize) || object["sha256"] != digest(group, frame, frameSize) {
			t.Errorf("group %d, frame %d is not of the pattern", group, frame)
		}
		seen++
	}
	if seen != groups*frames {
		t.Errorf("%d frames, want %d", seen, groups*frames)
	}
}

// A peer is another implementation, as a client.
type peer struct {
	name     string
	run      func(t *testing.T, args ...string) *process
	trust    func(fingerprint string) []string
	schemes  []string
	versions []string
	restrict bool // takes --version
}

func insecure(string) []string { return []string{"--insecure"} }
func pinned(fingerprint string) []string {
	return []string{"--fingerprint", fingerprint}
}

var clients = []peer{
	{"node", node, insecure, []string{"https"}, versions[1:], true},
	{"python", python, insecure, schemes, versions, false},
	{"chromium", chromium, pinned, []string{"https"}, versions[1:], true},
}

// eachClient runs a test for each peer in each version and transport that it
// shares with us, against a relay of ours of that version.
func eachClient(t *testing.T, f func(t *testing.T, s side, addr string, run func(role string, rest ...string) *process)) {
	for _, p := range clients {
		for _, scheme := range p.schemes {
			for _, version := range p.versions {
				s := side{scheme, version}
				t.Run(p.name+" "+s.String(), func(t *testing.T) {
					t.Parallel()
					addr, fingerprint := ourRelay(t, version)
					f(t, s, addr, func(role string, rest ...string) *process {
						args := append(peerArgs(role, scheme+"://"+addr, rest...), p.trust(fingerprint)...)
						if p.restrict {
							args = append(args, "--version", version)
						}
						if scheme == "https" {
							args = append(args, "--transport", "webtransport")
						}
						return p.run(t, args...)
					})
				})
			}
		}
	}
}

// TestPeersOfOurRelay has each peer publish to and subscribe from our relay,
// with our own command line on the other side.
func TestPeersOfOurRelay(t *testing.T) {
	t.Run("subscribe", func(t *testing.T) {
		eachClient(t, func(t *testing.T, s side, addr string, run func(string, ...string) *process) {
			ourPub(t, side{"moqt", s.version}, addr)
			run("sub", "--verify").succeed()
		})
	})
	t.Run("publish", func(t *testing.T) {
		eachClient(t, func(t *testing.T, s side, addr string, run func(string, ...string) *process) {
			pub := run("pub", "--finish", "--finish-delay-ms", "500")
			ourSub(t, side{"https", s.version}, addr)
			pub.succeed()
		})
	})
}

// TestPeersThroughMoqRelay has each peer on the other side of the Rust relay.
func TestPeersThroughMoqRelay(t *testing.T) {
	s := side{"moqt", "moq-lite-06"}
	for _, p := range clients[:2] {
		t.Run(p.name+" subscribes", func(t *testing.T) {
			t.Parallel()
			addr, _ := moqRelay(t)
			ourPub(t, s, addr)
			p.run(t, append(peerArgs("sub", p.schemes[0]+"://"+addr, "--verify"), p.trust("")...)...).succeed()
		})
		t.Run(p.name+" publishes", func(t *testing.T) {
			t.Parallel()
			addr, _ := moqRelay(t)
			pub := p.run(t, append(peerArgs("pub", p.schemes[0]+"://"+addr, "--finish", "--finish-delay-ms", "500"), p.trust("")...)...)
			ourSub(t, s, addr)
			pub.succeed()
		})
	}
}

// A server is another implementation, as a server.
type server struct {
	name     string
	run      func(t *testing.T, args ...string) *process
	args     []string
	schemes  []string
	versions []string
}

var servers = []server{
	{"node", node, []string{"--front"}, []string{"https"}, versions[1:]},
	{"node", node, []string{"--front"}, []string{"moqt"}, versions[1:]},
	{"python", python, nil, schemes, versions},
}

// TestServers has our command line publish to and subscribe from each peer's
// server.
func TestServers(t *testing.T) {
	for _, srv := range servers {
		for _, role := range []string{"pub", "sub"} {
			for _, scheme := range srv.schemes {
				for _, version := range srv.versions {
					s := side{scheme, version}
					t.Run(fmt.Sprintf("%s %s %s", srv.name, s, role), func(t *testing.T) {
						t.Parallel()
						addr := freePort(t)
						args := []string{
							"server", "--listen", addr, "--role", role, "--broadcast", broadcast, "--track", track, "--sessions", "1", "--verify",
							"--groups", fmt.Sprint(groups), "--frames-per-group", fmt.Sprint(frames), "--size", fmt.Sprint(frameSize), "--finish", "--finish-delay-ms", "500",
						}
						p := srv.run(t, append(args, srv.args...)...)
						p.expect("ready")
						if role == "pub" {
							ourSub(t, s, addr)
							return
						}
						ourPub(t, s, addr)
						p.succeed()
					})
				}
			}
		}
	}
}
