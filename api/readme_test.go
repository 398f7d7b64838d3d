package api_test

import (
	"bufio"
	"context"
	"errors"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"
)

// address is the one in the README's programs.
const address = "127.0.0.1:4443"

// TestReadme builds the programs of the README in a module of their own, and
// runs them together. The publisher's test is an example of package moqtest.
func TestReadme(t *testing.T) {
	dir := t.TempDir()
	at := freePort(t)
	for name, source := range programs(t) {
		write(t, filepath.Join(dir, name), strings.ReplaceAll(source, address, at))
	}
	asConsumer(t, dir)
	run(t, dir, "go", "vet", "./...")
	run(t, dir, "go", "build", "-o", "bin/", "./...")

	ctx, stop := context.WithTimeout(t.Context(), time.Minute)
	defer stop()
	start(ctx, t, dir, "bin/relay")
	awaitServer(ctx, t, "http://"+at+"/certificate.sha256")
	start(ctx, t, dir, "bin/publish")
	line, err := bufio.NewReader(start(ctx, t, dir, "bin/subscribe")).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	if _, err := time.Parse(time.TimeOnly, strings.TrimSpace(line)); err != nil {
		t.Errorf("the subscriber prints %q", line)
	}
}

// programs returns the Go files of the README, each named by the last file name
// before it. A Go snippet that is not a whole file is an error: no test would
// compile it.
func programs(t *testing.T) map[string]string {
	t.Helper()
	text, err := os.ReadFile("../README.md")
	if err != nil {
		t.Fatal(err)
	}
	files := make(map[string]string)
	name := regexp.MustCompile("`([a-z]+/[a-z_]+\\.go)`")
	before, rest, found := strings.Cut(string(text), "```go\n")
	for found {
		source, after, _ := strings.Cut(rest, "```")
		named := name.FindAllStringSubmatch(before, -1)
		if len(named) == 0 || !strings.HasPrefix(source, "package main\n") {
			t.Fatalf("this snippet is not a file that has a name:\n%s", source)
		}
		files[named[len(named)-1][1]] = source
		before, rest, found = strings.Cut(after, "```go\n")
	}
	if len(files) != 3 {
		t.Fatalf("the README has %d files", len(files))
	}
	return files
}

// asConsumer makes dir a module that depends on this one, as the stranger's
// application does.
func asConsumer(t *testing.T, dir string) {
	t.Helper()
	const consumer = "../wire/testdata/consumer/"
	root, err := filepath.Abs("..")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"go.mod", "go.sum"} {
		text, err := os.ReadFile(consumer + name)
		if err != nil {
			t.Fatal(err)
		}
		write(t, filepath.Join(dir, name), strings.Replace(string(text), "=> ../../..", "=> "+root, 1))
	}
}

func write(t *testing.T, name, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

// run runs a command in dir to its end.
func run(t *testing.T, dir, name string, args ...string) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), name, args...)
	cmd.Dir, cmd.Env = dir, append(os.Environ(), "GOWORK=off")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%s %s: %v\n%s", name, strings.Join(args, " "), err, out)
	}
}

// start runs a program until the test ends, and returns what it prints.
func start(ctx context.Context, t *testing.T, dir, name string) *os.File {
	t.Helper()
	reader, writer, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(ctx)
	cmd := exec.CommandContext(ctx, filepath.Join(dir, name))
	cmd.Stdout, cmd.Stderr = writer, writer
	if err := errors.Join(cmd.Start(), writer.Close()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		stop()
		_ = cmd.Wait()
		_ = reader.Close()
	})
	return reader
}

// awaitServer returns when a GET of url is answered.
func awaitServer(ctx context.Context, t *testing.T, url string) {
	t.Helper()
	for {
		r, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
		if err != nil {
			t.Fatal(err)
		}
		if response, err := http.DefaultTransport.RoundTrip(r); err == nil {
			_ = response.Body.Close()
			return
		}
		select {
		case <-time.After(10 * time.Millisecond):
		case <-ctx.Done():
			t.Fatal("the relay does not listen")
		}
	}
}

// freePort returns an address of the loopback interface that is free for UDP
// and TCP. It is outside the range that systems give to clients, so that nobody
// takes it before it is used.
func freePort(t *testing.T) string {
	t.Helper()
	for range 100 {
		at := net.JoinHostPort("127.0.0.1", strconv.Itoa(20_000+rand.IntN(10_000)))
		udp, err := net.ListenPacket("udp", at)
		if err != nil {
			continue
		}
		tcp, err := net.Listen("tcp", at)
		_ = udp.Close()
		if err == nil {
			_ = tcp.Close()
			return at
		}
	}
	t.Fatal("no free port")
	return ""
}
