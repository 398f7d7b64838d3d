//go:build unix

package interop_test

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// A relay is a relay that files are sent through.
type relay struct {
	name  string
	start func(t *testing.T) (addr string, p *process)
}

var relays = []relay{
	{"moq-relay", func(t *testing.T) (string, *process) { return moqRelay(t) }},
	{"ours", func(t *testing.T) (string, *process) { return ourRelay(t, "") }},
}

// TestFiles sends files through each relay: with each transport and version,
// with different ones on the two sides, and with each way to trust the
// certificate.
func TestFiles(t *testing.T) {
	for _, r := range relays {
		t.Run(r.name, func(t *testing.T) {
			addr, _ := r.start(t)
			each := func(name string, from, to side, size int, trust ...string) {
				t.Run(name, func(t *testing.T) {
					t.Parallel()
					transfer(t, addr, from, to, size, trust...)
				})
			}
			for _, scheme := range schemes {
				for i, version := range versions {
					s := side{scheme, version}
					for _, size := range []int{0, 1, 5 << 20} {
						each(fmt.Sprintf("%v/%d bytes", s, size), s, s, size, "--insecure")
					}
					other := side{schemes[i%2], versions[(i+1)%len(versions)]}
					each(fmt.Sprintf("%v to %v", s, other), s, other, 3<<20, "--insecure")
				}
				newest := side{scheme, ""}
				each(newest.String(), newest, newest, 3<<20, "--fingerprint", fingerprintAt(t, addr))
			}
			asks := side{"http", ""}
			each("fingerprint asked for", asks, asks, 1<<20)
		})
	}
}

// transfer sends a file through a relay.
func transfer(t *testing.T, addr string, from, to side, size int, trust ...string) {
	t.Helper()
	in, content := randomFile(t, size)
	out := filepath.Join(t.TempDir(), "out")
	path := strings.NewReplacer(" ", "-").Replace(t.Name())
	pub := moq(t, append(from.args(addr, "pub", path, "--source", in), trust...)...)
	sub := moq(t, append(to.args(addr, "sub", path, track, "--output", out), trust...)...)
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

// randomFile makes a file of the given size, always with the same content.
func randomFile(t *testing.T, size int) (name string, content []byte) {
	t.Helper()
	content = make([]byte, size)
	_, _ = rand.NewChaCha8([32]byte{byte(size >> 20)}).Read(content)
	name = filepath.Join(t.TempDir(), "in")
	if err := os.WriteFile(name, content, 0o644); err != nil {
		t.Fatal(err)
	}
	return name, content
}
