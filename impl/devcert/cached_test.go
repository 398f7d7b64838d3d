package devcert_test

import (
	"crypto/tls"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/moqlite/moqlite/impl/devcert"
)

func cached(t *testing.T, dir string, hosts ...string) *devcert.Rotation {
	t.Helper()
	r, err := devcert.Cached(dir, hosts...)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func known(t *testing.T, r *devcert.Rotation) [][32]byte {
	t.Helper()
	all, err := r.Fingerprints()
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// TestCached: a server that is started again has the certificate of the last
// one, and its private key, which nobody else may read.
func TestCached(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "a", "b")
	first, second := cached(t, dir), cached(t, dir)
	if a, b := known(t, first), known(t, second); !slices.Equal(a, b) {
		t.Errorf("%x and then %x", a, b)
	}
	cert, err := second.GetCertificate(&tls.ClientHelloInfo{})
	if err != nil || cert.PrivateKey == nil || cert.Leaf == nil {
		t.Fatalf("%v, %v", cert, err)
	}
	if runtime.GOOS == "windows" {
		return
	}
	for path, want := range map[string]os.FileMode{dir: 0o700, filepath.Join(dir, "devcert.pem"): 0o600} {
		info, err := os.Stat(path)
		if err != nil || info.Mode().Perm() != want {
			t.Errorf("%s: %v, %v; want %v", path, info.Mode(), err, want)
		}
	}
}

// TestCachedIsOfNoUse: a certificate for other hosts is replaced, and so is a
// file that holds none.
func TestCachedIsOfNoUse(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "devcert.pem")
	local := known(t, cached(t, dir))
	elsewhere := known(t, cached(t, dir, "room.example"))
	if slices.Equal(local, elsewhere) {
		t.Error("another host has the same certificate")
	}
	content, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	for _, bad := range []string{"", "no PEM", string(content[:len(content)/2]), string(content[len(content)/2:])} {
		if err := os.WriteFile(file, []byte(bad), 0o600); err != nil {
			t.Fatal(err)
		}
		r := cached(t, dir, "room.example")
		if slices.Equal(known(t, r), elsewhere) {
			t.Errorf("%q is a certificate", bad)
		}
		if again := cached(t, dir, "room.example"); !slices.Equal(known(t, again), known(t, r)) {
			t.Errorf("after %q none is kept", bad)
		}
	}
}

// TestCachedOthersCouldRead: a key that others could read is not used.
func TestCachedOthersCouldRead(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("the mode tells nothing")
	}
	dir := t.TempDir()
	file := filepath.Join(dir, "devcert.pem")
	first := known(t, cached(t, dir))
	if err := os.Chmod(file, 0o644); err != nil {
		t.Fatal(err)
	}
	if slices.Equal(known(t, cached(t, dir)), first) {
		t.Error("the key is used")
	}
	if info, err := os.Stat(file); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", info.Mode(), err)
	}
}

// TestCachedCannotBeWritten: the error names the folder.
func TestCachedCannotBeWritten(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := devcert.Cached(file); err == nil {
		t.Error("a file is a folder")
	}
}

// TestCachedForWeeks: a server that is started anew each day for two months
// shows certificates whose fingerprints were known a day before.
func TestCachedForWeeks(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		before := known(t, cached(t, dir))
		changes := 0
		for range 60 * 2 {
			time.Sleep(12 * time.Hour)
			now := known(t, cached(t, dir))
			if !slices.Contains(before, now[0]) {
				t.Fatalf("%x is in use, and %x were known", now[0], before)
			}
			if now[0] != before[0] {
				changes++
			}
			before = now
		}
		if changes < 3 || changes > 7 {
			t.Errorf("%d certificates in two months", changes)
		}
	})
}
