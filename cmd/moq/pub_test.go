package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/moqlite/moqlite/api"
	"github.com/moqlite/moqlite/api/apitest"
	"github.com/moqlite/moqlite/transport/transporttest"
)

// writeFile writes a file for a test.
func writeFile(t *testing.T, content string) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "in")
	if err := os.WriteFile(name, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}

// TestLoopHasNoSeam checks that a file in a loop goes on with the next group,
// and that a subscriber may begin at any of them.
func TestLoopHasNoSeam(t *testing.T) {
	transporttest.NoLeaks(t)
	addr, _ := startRelay(t)
	url := "http://" + addr
	// Groups have 999 frames, so that the second one has a frame of one byte.
	content := strings.Repeat("ab", 999) + "c"
	pub := start(t, "", "pub", url, "room/loop", "--source", writeFile(t, content), "--chunk", "2", "--loop", "--interval", "20ms")
	sub := start(t, "", "sub", url, "room/loop", "data", "--groups", "6")
	sub.wait(exitDone)
	if got := sub.out.String(); got != strings.Repeat(content, 3) {
		t.Errorf("%d bytes, want three times the %d of the file", len(got), len(content))
	}
	later := start(t, "", "sub", url, "room/loop", "data", "--groups", "2", "--start", "latest", "--json", "--no-payload")
	later.wait(exitDone)
	if first := later.lines()[0]["group"].(float64); first < 4 {
		t.Errorf("begins with group %v, long after six were there", first)
	}
	pub.cancel()
	pub.wait(exitDone)
	if said := pub.err.String(); strings.Contains(said, " left") || !strings.Contains(said, "bit/s") {
		t.Errorf("progress is %s", said)
	}
}

// TestKeepStays checks that a publisher stays for later subscribers, and what
// those get of standard input that has ended.
func TestKeepStays(t *testing.T) {
	transporttest.NoLeaks(t)
	addr, _ := startRelay(t)
	url := "http://" + addr
	for source, want := range map[string]string{"-": "two\n", writeFile(t, "one\ntwo\n"): "one\ntwo\n"} {
		path := fmt.Sprintf("room/%d", len(source))
		pub := start(t, "one\ntwo\n", "pub", url, path, "--source", source, "--keep")
		for i := range 3 {
			sub := start(t, "", "sub", url, path, "data")
			sub.wait(exitDone)
			// A relay may have more of it than the publisher.
			if got := sub.out.String(); !strings.HasSuffix("one\ntwo\n", got) || len(got) < len(want) {
				t.Errorf("subscriber %d gets %q, want %q", i, got, want)
			}
		}
		select {
		case <-pub.status:
			t.Error("the publisher has ended")
		default:
		}
		pub.cancel()
		pub.wait(exitDone)
	}
}

// TestNothingToLoop checks what --loop refuses.
func TestNothingToLoop(t *testing.T) {
	for source, status := range map[string]int{"-": exitUsage, "pattern": exitUsage, writeFile(t, ""): exitFailed} {
		c := start(t, "", "pub", "http://127.0.0.1:1", "room/x", "--source", source, "--loop")
		c.wait(status)
		if said := c.err.String(); !strings.Contains(said, "begin again") {
			t.Errorf("%s: it says %s", source, said)
		}
	}
}

// TestFileBecomesShorter checks that a file in a loop that is emptied ends the
// command, instead of a loop without a pause.
func TestFileBecomesShorter(t *testing.T) {
	file := writeFile(t, "content")
	source, err := openFile(pubFlags{source: file, chunk: 10, loop: true})
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(file, 0); err != nil {
		t.Fatal(err)
	}
	w := apitest.NewTrackRecorder(t.Context(), api.TrackRequest{})
	if err := source.serve(w, new(counters)); err == nil || !strings.Contains(err.Error(), "has become shorter") {
		t.Errorf("ends with %v", err)
	}
}

// TestPlurals checks the words of progress.
func TestPlurals(t *testing.T) {
	c := new(counters)
	c.groups.Add(1)
	c.frame(1)
	if got, want := c.text(), "1 group, 1 frame, 1 B"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
	c.groups.Add(1)
	c.frame(1)
	if got, want := c.text(), "2 groups, 2 frames, 2 B"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
}
