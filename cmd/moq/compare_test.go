package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/moqlite/moqlite/transport/transporttest"
)

// TestBenchCompares checks that a result can be kept in a file, and the next run
// compared with it.
func TestBenchCompares(t *testing.T) {
	transporttest.NoLeaks(t)
	file := filepath.Join(t.TempDir(), "before.json")
	start(t, "", "bench", "--duration", "200ms", "--rate", "100", "--output", file).wait(exitDone)
	text, err := os.ReadFile(file)
	var written map[string]any
	if err != nil || json.Unmarshal(text, &written) != nil || written["done"] != true || written["frames_lost"] != 0.0 {
		t.Fatalf("the file has %s, %v", text, err)
	}
	c := start(t, "", "bench", "--duration", "200ms", "--rate", "50", "--compare", file)
	c.wait(exitDone)
	for _, want := range []string{"the loads differ: ", "1 session, 1 broadcast, 1 subscription, 100 frames/s", "frames_lost                     0            0\n", "latency_us p99", " %\n"} {
		if !strings.Contains(c.out.String(), want) {
			t.Errorf("no %q in\n%s", want, c.out)
		}
	}
	c = start(t, "", "bench", "--duration", "200ms", "--rate", "100", "--compare", file, "--json")
	c.wait(exitDone)
	lines := c.lines()
	if compared, _ := lines[len(lines)-1]["compared"].([]any); len(compared) != 7 {
		t.Errorf("prints %s", c.out)
	}
	// What --json prints can be compared with too.
	for content, status := range map[string]int{c.out.String(): exitDone, "{}": exitFailed, "": exitFailed} {
		if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		start(t, "", "bench", "--duration", "100ms", "--compare", file).wait(status)
	}
}
