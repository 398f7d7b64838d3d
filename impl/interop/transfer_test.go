package interop_test

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

var (
	versions = []string{"moq-lite-06", "moq-lite-05", "moq-lite-04", "moq-lite-03"}
	schemes  = []string{"moqt", "https"}
)

// randomFile makes a file of so many bytes.
func randomFile(t *testing.T, size int) (name string, content []byte) {
	t.Helper()
	content = make([]byte, size)
	rng := rand.NewChaCha8([32]byte{byte(size)})
	_, _ = rng.Read(content)
	name = filepath.Join(t.TempDir(), "in")
	if err := os.WriteFile(name, content, 0o644); err != nil {
		t.Fatal(err)
	}
	return name, content
}

// A side is how a publisher or a subscriber connects.
type side struct{ scheme, version string }

func (s side) String() string { return s.scheme + " " + strings.TrimPrefix(s.version, "moq-lite-") }

func (s side) args(addr string, rest ...string) []string {
	args := append([]string{rest[0], s.scheme + "://" + addr}, rest[1:]...)
	return append(args, "--insecure", "--json", "--version-only", s.version, "--timeout", "30s")
}

// transfer sends a file through a relay.
func transfer(t *testing.T, addr string, from, to side, size int) {
	t.Helper()
	in, content := randomFile(t, size)
	out := filepath.Join(t.TempDir(), "out")
	path := fmt.Sprintf("transfer/%s/%d", strings.NewReplacer("/", "-", " ", "-").Replace(t.Name()), size)
	pub := moq(t, from.args(addr, "pub", path, "--source", in)...)
	sub := moq(t, to.args(addr, "sub", path, "data", "--output", out)...)
	sub.succeed()
	pub.succeed()
	got, err := os.ReadFile(out)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, content) {
		t.Errorf("%d bytes arrived of %d, or other ones", len(got), len(content))
	}
}

// relays are what files are sent through.
var relays = map[string]func(t *testing.T) string{
	"moq-relay": func(t *testing.T) string { addr, _ := moqRelay(t); return addr },
	"moq relay": func(t *testing.T) string { addr, _ := ourRelay(t, ""); return addr },
}

func TestFileThroughRelay(t *testing.T) {
	for name, relay := range relays {
		t.Run(name, func(t *testing.T) {
			addr := relay(t)
			t.Run("each", func(t *testing.T) {
				for _, scheme := range schemes {
					for _, version := range versions {
						s := side{scheme, version}
						t.Run(s.String(), func(t *testing.T) {
							t.Parallel()
							transfer(t, addr, s, s, 5<<20)
						})
					}
				}
			})
			t.Run("mixed", func(t *testing.T) {
				for i, from := range versions {
					to := versions[(i+1)%len(versions)]
					a, b := side{schemes[i%2], from}, side{schemes[(i+1)%2], to}
					t.Run(fmt.Sprintf("%s to %s", a, b), func(t *testing.T) {
						t.Parallel()
						transfer(t, addr, a, b, 3<<20)
					})
				}
			})
			t.Run("small", func(t *testing.T) {
				for _, size := range []int{0, 1} {
					t.Run(fmt.Sprint(size), func(t *testing.T) {
						t.Parallel()
						transfer(t, addr, side{"moqt", "moq-lite-06"}, side{"https", "moq-lite-05"}, size)
					})
				}
			})
		})
	}
}

// TestKilledRelay kills the relay while a file goes through it: the subscriber
// fails and leaves nothing that could be taken for the file.
func TestKilledRelay(t *testing.T) {
	addr, relay := moqRelay(t)
	s := side{"moqt", "moq-lite-06"}
	dir := t.TempDir()
	out := filepath.Join(dir, "out")
	moq(t, s.args(addr, "pub", "endless", "--source", "pattern", "--interval", "20ms")...)
	sub := moq(t, s.args(addr, "sub", "endless", "data", "--output", out)...)
	sub.expect("frame")
	relay.signal(syscall.SIGKILL)
	began := time.Now()
	if status, _ := sub.wait(); status != 1 {
		t.Errorf("the subscriber ended with status %d, want 1", status)
	}
	if took := time.Since(began); took > 30*time.Second {
		t.Errorf("it took %v to notice", took)
	}
	left, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	if len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}

// TestMistakes tells what users get wrong, against programs that are not ours.
func TestMistakes(t *testing.T) {
	addr, _ := moqRelay(t, "--listen-version", "moq-lite-05")
	insecure := []string{"--insecure", "--timeout", "8s"}
	for _, scheme := range schemes {
		url := scheme + "://" + addr
		for _, test := range []struct {
			name, says string
			args       []string
		}{
			{"no common version", "no common", append([]string{"ls", url, "--version-only", "moq-lite-03"}, insecure...)},
			{"untrusted certificate", "--fingerprint", []string{"ls", url}},
			{"not announced", "nobody has announced", []string{"sub", url, "not/there", "data", "--insecure", "--timeout", "2s"}},
			{"unauthorized", "unauthorized", append([]string{"ls", url + "/?jwt=secret"}, insecure...)},
		} {
			t.Run(scheme+" "+test.name, func(t *testing.T) {
				p := moq(t, test.args...)
				if status, _ := p.wait(); status != 1 {
					t.Errorf("status %d, want 1", status)
				}
				said := p.output.String()
				lines := strings.Split(strings.TrimSpace(said), "\n")
				if !strings.Contains(said, test.says) || strings.Contains(said, "goroutine") || strings.Contains(said, "secret") ||
					slices.ContainsFunc(lines, func(line string) bool { return !strings.HasPrefix(line, "moq: ") }) {
					t.Errorf("it says:\n%s\nwant one sentence with %q", said, test.says)
				}
			})
		}
	}
}
