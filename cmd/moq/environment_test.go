package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/moqlite/moqlite/transport/transporttest"
)

// TestEnvironment: MOQ_URL and MOQ_CA stand for what is not given, and for nothing else.
func TestEnvironment(t *testing.T) {
	transporttest.NoLeaks(t)
	addr, fingerprint := startRelay(t)
	t.Setenv(urlVariable, "moqt://"+addr)
	t.Setenv(caVariable, filepath.Join(t.TempDir(), "missing"))
	printed := func(status int, args ...string) (out, complaint string) {
		t.Helper()
		return printed(t, status, "hello\n", args...)
	}
	trust := []string{"--fingerprint", fingerprint}
	pub := start(t, "hello\n", append([]string{"pub", "room/clock"}, trust...)...)
	if out, _ := printed(exitDone, append([]string{"sub", "room/clock", "data"}, trust...)...); out != "hello\n" {
		t.Errorf("sub prints %q", out)
	}
	pub.wait(exitDone)
	for _, args := range [][]string{{"ls"}, {"ls", "room"}, {"probe"}, {"ls", "moqt://" + addr, "room"}} {
		printed(exitDone, append(args, trust...)...)
	}
	for _, test := range []struct {
		args, want string
		status     int
	}{
		{"ls moqt://127.0.0.1:1 --fingerprint " + fingerprint + " --timeout 2s", "127.0.0.1:1", exitFailed},
		{"pub moqt://127.0.0.1:1", "pub takes a URL and a broadcast's path, not 1 argument", exitUsage},
		{"sub a b c d", "not 4 arguments", exitUsage},
		{"sub a", "not 2 arguments", exitUsage},
		{"ls", "MOQ_CA: open ", exitFailed},
		{"ls --ca nowhere", "--ca: open nowhere", exitFailed},
	} {
		if _, complaint := printed(test.status, strings.Fields(test.args)...); !strings.Contains(complaint, test.want) {
			t.Errorf("%s: %s", test.args, complaint)
		}
	}
	if err := os.Unsetenv(urlVariable); err != nil {
		t.Fatal(err)
	}
	if _, complaint := printed(exitUsage, "pub", "room"); !strings.Contains(complaint, "pub takes a URL") {
		t.Errorf("without a URL: %s", complaint)
	}
}
