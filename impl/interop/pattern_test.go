//go:build unix

package interop_test

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"
	"testing"
)

// What is published, and how much of it is read.
const (
	broadcast = "interop/test"
	track     = "data"
	groups    = 3
	frames    = 2
	frameSize = 3000
)

var (
	// versions are all that we speak, the newest first.
	versions = []string{"moq-lite-06", "moq-lite-05", "moq-lite-04", "moq-lite-03"}

	// javaScript are the versions that @moq/net implements as they were
	// published.
	javaScript = versions[1:]

	// schemes are those over UDP; over TCP there is WebSocket.
	schemes    = []string{"moqt", "https"}
	allSchemes = append([]string{"ws"}, schemes...)
)

// A side is how a program connects. An empty version means the newest that both
// have.
type side struct{ scheme, version string }

func (s side) String() string {
	if s.version == "" {
		return s.scheme + " newest"
	}
	return s.scheme + " " + strings.TrimPrefix(s.version, "moq-lite-")
}

// args returns the arguments of our command line for a side: a command, the
// URL, and the rest.
func (s side) args(addr, command string, rest ...string) []string {
	args := append([]string{command, s.scheme + "://" + addr}, rest...)
	if s.version != "" {
		args = append(args, "--version-only", s.version)
	}
	return append(args, "--json", "--timeout", "30s")
}

// transport returns the name that all programs print for a scheme's transport.
func (s side) transport() string {
	return transports[s.scheme]
}

var transports = map[string]string{"moqt": "quic", "https": "webtransport", "ws": "websocket"}

// connected checks how a program says that it has connected, in the line with a
// key. moq-rs prints versions only in its log; if that comes too late for the
// wrapper, it prints none, or takes the session for one without a version. Our
// own end then offers a single version, so there is no doubt.
func (s side) connected(t *testing.T, p *process, key string) {
	t.Helper()
	line := p.expect(key)
	known := line["version"] != nil && line["version"] != "negotiated in SETUP"
	if known && line["version"] != s.version || line["transport"] != s.transport() {
		t.Errorf("%v connected by %v, %v; want %v, %v", p, line["version"], line["transport"], s.version, s.transport())
	}
}

// pattern returns the flags for the test pattern, which all wrappers of other
// implementations share.
func pattern(rest ...string) []string {
	return append([]string{
		"--broadcast", broadcast, "--track", track, "--verify",
		"--groups", fmt.Sprint(groups), "--frames-per-group", fmt.Sprint(frames), "--size", fmt.Sprint(frameSize),
	}, rest...)
}

// toItsEnd returns the flags of a publisher that ends its track when the groups
// have arrived, and leaves. Below moq-lite-05 the end does not tell which
// groups there were: relays wait for late ones, so the session has to stay.
// moq-rs takes 30 s to report that the last subscriber has left.
func (s side) toItsEnd() []string {
	flags := []string{"--finish", "--finish-delay-ms", "500", "--hold-ms", "1500"}
	if s.version == "moq-lite-03" || s.version == "moq-lite-04" {
		flags = append(flags, "--linger-ms", "4000")
	}
	return flags
}

// ourPub publishes the pattern.
func ourPub(t *testing.T, s side, addr string) *process {
	t.Helper()
	return moq(t, s.args(addr, "pub", broadcast, "--source", "pattern", "--interval", "50ms",
		"--groups", fmt.Sprint(groups), "--frames", fmt.Sprint(frames), "--size", fmt.Sprint(frameSize), "--insecure")...)
}

// ourSub reads the pattern to the track's end.
func ourSub(t *testing.T, s side, addr, path string) {
	t.Helper()
	sub := moq(t, s.args(addr, "sub", path, track, "--insecure")...)
	sub.succeed()
	checkPattern(t, sub)
}

// A reading is a line of a program that reads: one of our frames, or a group of
// another implementation.
type reading struct {
	Group  int
	Frame  *int
	SHA256 string
	Frames []struct{ SHA256 string }
	Gap    []int
}

// digests returns the digests of a reading, by the frame's index in its group.
func (r reading) digests() map[int]string {
	found := make(map[int]string)
	if r.Frame != nil {
		found[*r.Frame] = r.SHA256
	}
	for i, frame := range r.Frames {
		found[i] = frame.SHA256
	}
	return found
}

// checkPattern checks that a program that has ended has read the whole pattern,
// each frame once and with the right bytes.
func checkPattern(t *testing.T, p *process) {
	t.Helper()
	seen := make(map[[2]int]bool)
	for _, r := range printed[reading](p) {
		if r.Gap != nil {
			t.Errorf("%v lost groups %v", p, r.Gap)
		}
		for i, sum := range r.digests() {
			if sum != digest(r.Group, i) {
				t.Errorf("%v: frame %d of group %d is not of the pattern", p, i, r.Group)
			}
			if seen[[2]int{r.Group, i}] {
				t.Errorf("%v: frame %d of group %d came twice", p, i, r.Group)
			}
			seen[[2]int{r.Group, i}] = true
		}
	}
	if len(seen) != groups*frames {
		t.Errorf("%v: %d frames came, want %d", p, len(seen), groups*frames)
	}
}

// payload returns a frame of the test pattern.
func payload(group, frame int) []byte {
	sum := sha256.Sum256(fmt.Appendf(nil, "%s/%s/%d/%d", broadcast, track, group, frame))
	payload := make([]byte, frameSize)
	for n := 0; n < frameSize; {
		n += copy(payload[n:], sum[:])
	}
	return payload
}

// digest returns the SHA-256 of a frame of the test pattern.
func digest(group, frame int) string {
	sum := sha256.Sum256(payload(group, frame))
	return hex.EncodeToString(sum[:])
}
