package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/moqlite/moqlite/api"
	"github.com/moqlite/moqlite/api/apitest"
	"github.com/moqlite/moqlite/transport/transporttest"
)

// A command is a run of the command line in this process.
type command struct {
	t      *testing.T
	cancel context.CancelFunc
	out    *buffer
	err    *buffer
	status chan int
}

// buffer is an output that may be read while it is written.
type buffer struct {
	mu   sync.Mutex
	text bytes.Buffer
	grew chan struct{}
}

func (b *buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	select {
	case b.grew <- struct{}{}:
	default:
	}
	return b.text.Write(p)
}

func (b *buffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.String()
}

// await waits until the output holds text.
func (b *buffer) await(t *testing.T, text string) {
	t.Helper()
	b.awaitCount(t, text, 1)
}

// awaitCount waits until the output holds text a number of times.
func (b *buffer) awaitCount(t *testing.T, text string, count int) {
	t.Helper()
	timeout := time.After(20 * time.Second)
	for strings.Count(b.String(), text) < count {
		select {
		case <-b.grew:
		case <-timeout:
			t.Fatalf("%q is not there %d times in\n%s", text, count, b)
		}
	}
}

func start(t *testing.T, stdin string, args ...string) *command {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	c := &command{
		t: t, cancel: cancel, status: make(chan int, 1),
		out: &buffer{grew: make(chan struct{}, 1)}, err: &buffer{grew: make(chan struct{}, 1)},
	}
	go func() { c.status <- run(ctx, args, stdio{strings.NewReader(stdin), c.out, c.err}) }()
	t.Cleanup(cancel)
	return c
}

// wait waits for the command and checks its exit status.
func (c *command) wait(status int) {
	c.t.Helper()
	select {
	case got := <-c.status:
		if got != status {
			c.t.Errorf("exit status %d, want %d\n%s%s", got, status, c.out, c.err)
		}
	case <-time.After(30 * time.Second):
		c.t.Fatalf("does not end\n%s%s", c.out, c.err)
	}
}

// lines parses the objects of --json.
func (c *command) lines() []map[string]any {
	c.t.Helper()
	var lines []map[string]any
	for text := range strings.Lines(c.out.String()) {
		var object map[string]any
		if err := json.Unmarshal([]byte(text), &object); err != nil {
			c.t.Fatalf("%v in %q", err, text)
		}
		lines = append(lines, object)
	}
	return lines
}

// startRelay runs a relay until the test ends, and returns its address and
// fingerprint.
func startRelay(t *testing.T) (addr, fingerprint string) {
	t.Helper()
	relay := start(t, "", "relay", "--listen", "127.0.0.1:0", "--json")
	relay.out.await(t, "\n")
	t.Cleanup(func() { relay.cancel(); relay.wait(exitDone) })
	ready := relay.lines()[0]
	return strings.TrimPrefix(ready["url"].(string), "https://"), ready["fingerprint"].(string)
}

func TestFilesArriveWhole(t *testing.T) {
	transporttest.NoLeaks(t)
	addr, fingerprint := startRelay(t)
	content := make([]byte, 3<<20+17)
	_, _ = rand.NewChaCha8([32]byte{}).Read(content)
	in := filepath.Join(t.TempDir(), "in")
	if err := os.WriteFile(in, content, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, scheme := range []string{"moqt", "https", "http"} {
		for _, version := range api.Versions() {
			t.Run(scheme+" "+string(version), func(t *testing.T) {
				url, path := scheme+"://"+addr, fmt.Sprintf("files/%s/%s", scheme, version)
				out := filepath.Join(t.TempDir(), "out")
				flags := []string{"--version-only", string(version)}
				if scheme != "http" {
					flags = append(flags, "--fingerprint", fingerprint)
				}
				pub := start(t, "", append([]string{"pub", url, path, "--source", in}, flags...)...)
				sub := start(t, "", append([]string{"sub", url, path, "data", "--output", out}, flags...)...)
				sub.wait(exitDone)
				pub.wait(exitDone)
				if got, err := os.ReadFile(out); err != nil || !bytes.Equal(got, content) {
					t.Errorf("%d bytes arrived, %v", len(got), err)
				}
			})
		}
	}
}

func TestStandardInput(t *testing.T) {
	transporttest.NoLeaks(t)
	addr, _ := startRelay(t)
	for _, test := range []struct {
		name, input string
		flags       []string
		frames      []string
	}{
		{"lines", "one\ntwo\nthree", nil, []string{"0/0:4", "1/0:4", "2/0:5"}},
		{"chunks", "0123456789", []string{"--chunk", "4"}, []string{"0/0:4", "0/1:4", "0/2:2"}},
		{"nothing", "", nil, nil},
	} {
		t.Run(test.name, func(t *testing.T) {
			url := "http://" + addr
			pub := start(t, test.input, append([]string{"pub", url, test.name, "--json"}, test.flags...)...)
			sub := start(t, "", "sub", url, test.name, "data", "--json")
			sub.wait(exitDone)
			pub.wait(exitDone)
			var frames []string
			for _, line := range sub.lines() {
				frames = append(frames, fmt.Sprintf("%v/%v:%v", line["group"], line["frame"], line["size"]))
			}
			if fmt.Sprint(frames) != fmt.Sprint(test.frames) {
				t.Errorf("frames %v, want %v", frames, test.frames)
			}
			text := start(t, test.input, append([]string{"pub", url, test.name + "/text"}, test.flags...)...)
			sub = start(t, "", "sub", url, test.name+"/text", "data")
			sub.wait(exitDone)
			text.wait(exitDone)
			if got := sub.out.String(); got != test.input {
				t.Errorf("written out: %q, want %q", got, test.input)
			}
		})
	}
}

func TestPatternAndList(t *testing.T) {
	transporttest.NoLeaks(t)
	addr, _ := startRelay(t)
	url := "http://" + addr
	pub := start(t, "", "pub", url, "room/test", "--source", "pattern", "--interval", "10ms", "--size", "50", "--track", "p", "--json")
	pub.out.await(t, "publishing")
	ls := start(t, "", "ls", url, "room", "--json")
	ls.wait(exitDone)
	if lines := ls.lines(); len(lines) != 1 || lines[0]["path"] != "room/test" || lines[0]["status"] != "active" || len(lines[0]["hops"].([]any)) != 2 {
		t.Errorf("ls prints %s", ls.out)
	}
	watch := start(t, "", "ls", url, "--watch")
	watch.out.await(t, "active  room/test")

	sub := start(t, "", "sub", url, "room/test", "p", "--json", "--groups", "3")
	sub.wait(exitDone)
	lines := sub.lines()
	if len(lines) != 6 {
		t.Fatalf("%d frames, want 6 of 3 groups", len(lines))
	}
	for i, line := range lines {
		if line["group"] != float64(i/2) || line["frame"] != float64(i%2) || line["size"] != float64(50) || line["timestamp"].(float64) < 1e12 {
			t.Errorf("frame %d: %v", i, line)
		}
	}
	// Ctrl-C ends a publisher in order.
	pub.cancel()
	pub.wait(exitDone)
	watch.out.await(t, "ended   room/test")
	watch.cancel()
	watch.wait(exitDone)
}

// TestInterruptedOutput checks that an interrupted command leaves no file
// behind.
func TestInterruptedOutput(t *testing.T) {
	transporttest.NoLeaks(t)
	addr, _ := startRelay(t)
	url := "http://" + addr
	for name, interrupt := range map[string]func(pub, sub *command){
		"by Ctrl-C":               func(_, sub *command) { sub.cancel() },
		"by the publisher's end ": func(pub, _ *command) { pub.cancel() },
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			pub := start(t, "", "pub", url, "endless/"+name[3:5], "--source", "pattern", "--interval", "10ms")
			sub := start(t, "", "sub", url, "endless/"+name[3:5], "data", "--json", "--output", filepath.Join(dir, "out"))
			sub.out.await(t, `"group":1,`)
			interrupt(pub, sub)
			if name == "by Ctrl-C" {
				sub.wait(exitFailed)
				if left, _ := os.ReadDir(dir); len(left) > 0 {
					t.Errorf("left behind: %v", left)
				}
			} else {
				sub.wait(exitDone) // the track has ended in order: it is whole
			}
			pub.cancel()
			pub.wait(exitDone)
		})
	}
}

// complaint returns what a command says on standard error, without that it waits:
// on a busy machine it may wait for anything.
func complaint(c *command) string {
	var said strings.Builder
	for text := range strings.Lines(c.err.String()) {
		if !strings.HasPrefix(text, "waiting for ") {
			said.WriteString(text)
		}
	}
	return said.String()
}

func TestMistakesAreOneSentence(t *testing.T) {
	transporttest.NoLeaks(t)
	addr, _ := startRelay(t)
	url := "http://" + addr
	pub := start(t, "", "pub", url, "there", "--source", "pattern")
	defer pub.wait(exitDone)
	defer pub.cancel()
	start(t, "", "sub", url, "there", "data", "--groups", "1").wait(exitDone)
	for _, test := range []struct {
		says   string
		status int
		args   string
	}{
		{"no command", exitUsage, ""},
		{`unknown command "frob"`, exitUsage, "frob"},
		{"unknown flag", exitUsage, "ls --frob"},
		{"takes a URL", exitUsage, "sub x"},
		{"the versions are", exitUsage, "ls x --version-only moq-lite-99"},
		{"64 hexadecimal digits", exitUsage, "ls x --fingerprint ff"},
		{"--start", exitUsage, "sub " + url + " a b --start never"},
		{"--chunk", exitUsage, "pub " + url + " a --chunk -1"},
		{"--cert and --key", exitUsage, "relay --cert x"},
		{"--transport", exitUsage, "demo --transport pigeon"},
		{`unknown command "sbu": did you mean sub?`, exitUsage, "sbu " + url},
		{"did you mean ls?", exitUsage, "list"},
		{"did you mean --source?", exitUsage, "pub " + url + " a --sorce x"},
		{"unknown flag: --json: did you mean --json?", exitUsage, "ls " + url + " -json"},
		{"did you mean https://relay.example.com/room?", exitUsage, "ls relay.example.com/room?jwt=se.cr.et"},
		{"did you mean http://127.0.0.1:4443?", exitUsage, "sub 127.0.0.1:4443 a b"},
		{"did you mean http://localhost:4443?", exitUsage, "pub localhost:4443 a --source pattern"},
		{`scheme "ftp": use https://, moqt://`, exitUsage, "probe ftp://relay.example.com"},
		{"names no host", exitUsage, "bench https:///x"},
		{"broadcast path has", exitUsage, "fetch " + url + " " + strings.Repeat("a/", 100) + " data 0"},
		{"segments", exitUsage, "sub " + url + " " + strings.Repeat("a/", 100) + " data"},
		{"leave out the *", exitUsage, "pub " + url + " a/*"},
		{"no such file", exitFailed, "ls " + url + " --ca /no/such/file"},
		{"no such file", exitFailed, "ls " + url + " --token /no/such/file"},
		{"nothing listens", exitFailed, "ls moqt://127.0.0.1:1 --timeout 5s"},
		{"--fingerprint HEX", exitFailed, "ls https://" + addr},
		{"no such file", exitFailed, "pub " + url + " a --source /no/such/file"},
		{"no such file", exitFailed, "sub " + url + " a b --output /no/such/place/out"},
		{`moq: nobody has announced "not/there" or answered for it within 1s`, exitFailed, "sub " + url + " not/there data --timeout 1s"},
		{"not found", exitFailed, "sub " + url + " there other-track"},
	} {
		t.Run(test.says, func(t *testing.T) {
			c := start(t, "", strings.Fields(test.args)...)
			c.wait(test.status)
			said := complaint(c)
			if !strings.Contains(said, test.says) || !strings.HasPrefix(said, "moq: ") || strings.Contains(said, "goroutine") {
				t.Errorf("says %q, want one sentence with %q", said, test.says)
			}
			if strings.Contains(said, "se.cr.et") {
				t.Errorf("it shows the token: %q", said)
			}
			if most := 1 + test.status - exitFailed; strings.Count(said, "\n") > most {
				t.Errorf("says more than it should: %q", said)
			}
		})
	}
}

func TestVersion(t *testing.T) {
	for _, args := range []string{"version", "--version"} {
		c := start(t, "", args)
		c.wait(exitDone)
		for _, want := range []string{"moq ", "go1.", "quic-go ", string(api.Lite03), string(api.Lite06)} {
			if !strings.Contains(c.out.String(), want) {
				t.Errorf("%s prints %q, without %q", args, c.out, want)
			}
		}
	}
	c := start(t, "", "version", "--json")
	c.wait(exitDone)
	if versions := c.lines()[0]["moq_lite"].([]any); len(versions) != len(api.Versions()) {
		t.Errorf("prints %s", c.out)
	}
}

// TestLongGroups checks that files and standard input are published in groups
// that other implementations accept, and that a pattern with longer groups is
// a usage error.
func TestLongGroups(t *testing.T) {
	transporttest.NoLeaks(t)
	addr, _ := startRelay(t)
	url := "http://" + addr
	content := strings.Repeat("0123456789abcdef", 4096)
	file := filepath.Join(t.TempDir(), "in")
	if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, source := range map[string]string{"file": file, "stdin": "-"} {
		pub := start(t, content, "pub", url, name, "--source", source, "--chunk", "16")
		sub := start(t, "", "sub", url, name, "data", "--json")
		sub.wait(exitDone)
		pub.wait(exitDone)
		frames := make(map[any]int)
		for _, line := range sub.lines() {
			frames[line["group"]]++
		}
		if len(frames) != 5 || frames[0.0] != maxFrames {
			t.Errorf("%s: frames of each group: %v", name, frames)
		}
	}
	start(t, "", "pub", url, "pattern", "--source", "pattern", "--frames", "1000").wait(exitUsage)
}

// TestFileProgress checks the report of how much of a file is left.
func TestFileProgress(t *testing.T) {
	file := filepath.Join(t.TempDir(), "in")
	if err := os.WriteFile(file, make([]byte, 10<<20), 0o600); err != nil {
		t.Fatal(err)
	}
	synctest.Test(t, func(t *testing.T) {
		source, err := openFile(pubFlags{source: file, chunk: 1 << 20})
		if err != nil {
			t.Fatal(err)
		}
		if got := source.slowestText(); got != "" {
			t.Errorf("before anybody subscribes: %q", got)
		}
		began := time.Now()
		source.copies[&copyProgress{began: began, next: 8 << 20}] = true
		source.copies[&copyProgress{began: began, next: 4 << 20}] = true
		time.Sleep(2 * time.Second)
		if got, want := source.slowestText(), "4.0 MiB of 10.0 MiB, 16.8 Mbit/s, 3s left"; got != want {
			t.Errorf("%q, want %q", got, want)
		}
	})
}

// TestStartBeyondTheFile checks that a subscription that starts after the end
// of the file ends at once.
func TestStartBeyondTheFile(t *testing.T) {
	file := filepath.Join(t.TempDir(), "in")
	if err := os.WriteFile(file, make([]byte, 3<<20), 0o600); err != nil {
		t.Fatal(err)
	}
	source, err := openFile(pubFlags{source: file, chunk: 1 << 20})
	if err != nil {
		t.Fatal(err)
	}
	for start, groups := range map[api.GroupSequence]int{0: 3, 2: 1, 3: 0, 1 << 61: 0, api.GroupLatest: 0} {
		w := apitest.NewTrackRecorder(t.Context(), api.TrackRequest{Config: api.SubscribeConfig{StartGroup: start}})
		if err := source.serve(w, new(counters)); err != nil || len(w.Groups()) != groups {
			t.Errorf("from %d: %d groups, %v", start, len(w.Groups()), err)
		}
	}
}

func TestDemo(t *testing.T) {
	transporttest.NoLeaks(t)
	for _, scheme := range []string{"moqt", "https"} {
		c := start(t, "", "demo", "--duration", "500ms", "--json", "--transport", scheme)
		c.wait(exitDone)
		sum := c.lines()[0]
		if sum["frames_sent"] != sum["frames_received"] || sum["frames_sent"].(float64) < 10 {
			t.Errorf("%v", sum)
		}
	}
}

func TestHelpHasAnExample(t *testing.T) {
	root := newRoot(&options{stdio: stdio{nil, io.Discard, io.Discard}})
	for _, c := range root.Commands() {
		if c.Name() != "help" && c.Name() != "completion" && c.Example == "" {
			t.Errorf("%s has no example", c.Name())
		}
	}
}
