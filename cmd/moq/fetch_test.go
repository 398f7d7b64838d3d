package main

import (
	"bytes"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/moqlite/moqlite/api"
	"github.com/moqlite/moqlite/impl"
	"github.com/moqlite/moqlite/transport/transporttest"
)

// startServer serves until the test ends, and returns its address.
func startServer(t *testing.T, s *impl.Server) net.Addr {
	t.Helper()
	if s.Addr == "" {
		s.Addr = "127.0.0.1:0"
	}
	addr, err := s.Listen()
	if err != nil {
		t.Fatal(err)
	}
	served := make(chan struct{})
	go func() { _ = s.ListenAndServe(); close(served) }()
	t.Cleanup(func() { s.Close(); <-served })
	return addr
}

// past is a track with two groups: one of three frames, and an empty one.
var past = api.TrackFuncs{Fetch: func(w api.GroupWriter, req api.FetchRequest) {
	switch req.Group {
	case 0:
		for i := range 3 {
			_ = w.WriteFrame(api.Frame{Timestamp: uint64(100 + i), Payload: fmt.Appendf(nil, "frame %d\n", i)})
		}
	case 1:
	default:
		w.Cancel(api.StreamNotFound)
		return
	}
	_ = w.Close()
}}

func pastMux(t *testing.T) *api.TrackMux {
	t.Helper()
	mux := api.NewTrackMux()
	if err := mux.Publish(t.Context(), "room/past", past); err != nil {
		t.Fatal(err)
	}
	return mux
}

func TestFetch(t *testing.T) {
	transporttest.NoLeaks(t)
	url := "http://" + startServer(t, &impl.Server{Mux: pastMux(t)}).String()
	for _, test := range []struct{ args, frames string }{
		{"0", "0/0:8@100 0/1:8@101 0/2:8@102"},
		{"0 --version-only moq-lite-05", "0/0:8@100 0/1:8@101 0/2:8@102"},
		{"0 --start-frame 1", "0/1:8@101 0/2:8@102"},
		{"0 --start-frame 1 --end-frame 2", "0/1:8@101"},
		{"0 --end-frame 1", "0/0:8@100"},
		{"1", ""},
	} {
		t.Run(test.args, func(t *testing.T) {
			c := start(t, "", strings.Fields("fetch "+url+" /room/past/ data "+test.args+" --json")...)
			c.wait(exitDone)
			var frames []string
			for _, line := range c.lines() {
				frames = append(frames, fmt.Sprintf("%v/%v:%v@%v", line["group"], line["frame"], line["size"], line["timestamp"]))
				if sum, ok := line["sha256"].(string); !ok || len(sum) != 64 {
					t.Errorf("%v", line)
				}
			}
			if got := strings.Join(frames, " "); got != test.frames {
				t.Errorf("frames %q, want %q", got, test.frames)
			}
		})
	}
	const text = "frame 0\nframe 1\nframe 2\n"
	c := start(t, "", "fetch", url, "room/past", "data", "0")
	c.wait(exitDone)
	if got := c.out.String(); got != text {
		t.Errorf("written out: %q", got)
	}
	out := filepath.Join(t.TempDir(), "out")
	c = start(t, "", "fetch", url, "room/past", "data", "0", "--output", out)
	c.wait(exitDone)
	if got, err := os.ReadFile(out); string(got) != text || c.out.String() != "" {
		t.Errorf("the file holds %q, %v; written out: %q", got, err, c.out)
	}
}

// TestFetchThroughRelay fetches from a relay, which asks the publisher.
func TestFetchThroughRelay(t *testing.T) {
	transporttest.NoLeaks(t)
	addr, _ := startRelay(t)
	publisher := new(impl.Client)
	defer publisher.Close()
	if _, err := publisher.Dial(t.Context(), "http://"+addr, pastMux(t)); err != nil {
		t.Fatal(err)
	}
	c := start(t, "", "fetch", "http://"+addr, "room/past", "data", "0", "--json")
	c.wait(exitDone)
	if lines := c.lines(); len(lines) != 3 {
		t.Errorf("%v", lines)
	}
}

// TestFetchFails checks that a failed fetch prints one sentence, and leaves no
// file behind.
func TestFetchFails(t *testing.T) {
	transporttest.NoLeaks(t)
	url := "http://" + startServer(t, &impl.Server{Mux: pastMux(t)}).String()
	for _, test := range []struct {
		says   string
		status int
		args   string
	}{
		{"not 5 arguments", exitUsage, "room/past data 0 1"},
		{"takes a URL, a broadcast's path, a track's name and a group's number", exitUsage, "room/past data"},
		{`"first" is not a group`, exitUsage, "room/past data first"},
		{"--end-frame 1 must be greater", exitUsage, "room/past data 0 --start-frame 1 --end-frame 1"},
		{`nobody has announced "room/other" within 500ms`, exitFailed, "room/other data 0 --timeout 500ms"},
		{"not found", exitFailed, "room/past data 7"},
		{"moq-lite-04: not supported: this needs a later version", exitFailed, "room/past data 0 --version-only moq-lite-04"},
		{"frame bounds on moq-lite-05: not supported", exitFailed, "room/past data 0 --start-frame 1 --version-only moq-lite-05"},
	} {
		t.Run(test.says, func(t *testing.T) {
			dir := t.TempDir()
			args := append([]string{"fetch", url}, strings.Fields(test.args)...)
			c := start(t, "", append(args, "--output", filepath.Join(dir, "out"), "--json")...)
			c.wait(test.status)
			said := complaint(c)
			if !strings.Contains(said, test.says) || strings.Count(said, "\n") > 1+test.status-exitFailed {
				t.Errorf("says %q, want %q", said, test.says)
			}
			if left, _ := os.ReadDir(dir); len(left) > 0 {
				t.Errorf("left behind: %v", left)
			}
		})
	}
}

func TestInterruptedFetch(t *testing.T) {
	transporttest.NoLeaks(t)
	for says, interrupt := range map[string]func(c *command, publisher chan<- struct{}){
		"interrupted: group 3 is incomplete":                     func(c *command, _ chan<- struct{}) { c.cancel() },
		"group 3 of data of endless is incomplete: reset by the": func(_ *command, publisher chan<- struct{}) { close(publisher) },
	} {
		t.Run(says, func(t *testing.T) {
			leave := make(chan struct{})
			mux := api.NewTrackMux()
			handler := api.TrackFuncs{Fetch: func(w api.GroupWriter, _ api.FetchRequest) {
				_ = w.WriteFrame(api.Frame{Payload: bytes.Repeat([]byte("x"), 10)})
				select {
				case <-leave:
				case <-w.Context().Done():
				}
			}}
			if err := mux.Publish(t.Context(), "endless", handler); err != nil {
				t.Fatal(err)
			}
			url := "http://" + startServer(t, &impl.Server{Mux: mux}).String()
			dir := t.TempDir()
			c := start(t, "", "fetch", url, "endless", "data", "3", "--json", "--output", filepath.Join(dir, "out"))
			c.out.await(t, `"size":10`)
			interrupt(c, leave)
			c.wait(exitFailed)
			if left, _ := os.ReadDir(dir); len(left) > 0 || !strings.Contains(c.err.String(), says) {
				t.Errorf("left behind: %v; says %s", left, c.err)
			}
		})
	}
}
