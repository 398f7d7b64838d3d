package interop_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// limit is how long any program may take to do what a test waits for.
const limit = time.Minute

// binary is cmd/moq, built once.
var binary string

func TestMain(m *testing.M) {
	if os.Getenv("MOQ_INTEROP") != "1" {
		fmt.Println("interop: skipped, since MOQ_INTEROP is not 1 (see the package's documentation)")
		return
	}
	dir, err := os.MkdirTemp("", "moq")
	if err == nil {
		binary = filepath.Join(dir, "moq")
		out, buildErr := exec.Command("go", "build", "-o", binary, "../../cmd/moq").CombinedOutput()
		if err = buildErr; err != nil {
			err = fmt.Errorf("%w\n%s", err, out)
		}
	}
	if err != nil {
		fmt.Println("interop: cannot build cmd/moq:", err)
		os.Exit(1)
	}
	status := m.Run()
	_ = os.RemoveAll(dir)
	os.Exit(status)
}

// A process is a running program that prints JSON, a line an object.
type process struct {
	t      *testing.T
	name   string
	cmd    *exec.Cmd
	lines  chan map[string]any
	exited chan struct{}
	err    error // after exited

	mu     sync.Mutex
	output bytes.Buffer // all of it, for a failure's report
}

// start runs a program until it ends or the test does.
func start(t *testing.T, name string, args ...string) *process {
	t.Helper()
	p := &process{
		t: t, name: name,
		cmd:    exec.Command(name, args...),
		lines:  make(chan map[string]any, 10_000),
		exited: make(chan struct{}),
	}
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	stdout, err := p.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	p.cmd.Stderr = writer(func(b []byte) { p.note(b) })
	if err := p.cmd.Start(); err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	go p.read(bufio.NewScanner(stdout))
	t.Cleanup(func() {
		p.signal(syscall.SIGKILL)
		<-p.exited
		if t.Failed() {
			p.mu.Lock()
			defer p.mu.Unlock()
			t.Logf("%s %s\n%s", filepath.Base(name), strings.Join(args, " "), p.output.String())
		}
	})
	return p
}

type writer func([]byte)

func (w writer) Write(b []byte) (int, error) { w(b); return len(b), nil }

func (p *process) note(b []byte) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.output.Write(b)
}

func (p *process) read(scanner *bufio.Scanner) {
	scanner.Buffer(nil, 1<<20)
	for scanner.Scan() {
		p.note(append(scanner.Bytes(), '\n'))
		var object map[string]any
		if json.Unmarshal(scanner.Bytes(), &object) == nil {
			p.lines <- object
		}
	}
	p.err = p.cmd.Wait()
	close(p.lines)
	close(p.exited)
}

// signal reaches the program and those that it has started.
func (p *process) signal(s syscall.Signal) { _ = syscall.Kill(-p.cmd.Process.Pid, s) }

// expect waits for a line with a key.
func (p *process) expect(key string) map[string]any {
	p.t.Helper()
	timeout := time.After(limit)
	for {
		select {
		case object, ok := <-p.lines:
			if !ok {
				p.t.Fatalf("%s ended without %q: %v", filepath.Base(p.name), key, p.err)
			}
			if _, ok := object[key]; ok {
				return object
			}
		case <-timeout:
			p.t.Fatalf("%s did not print %q within %v", filepath.Base(p.name), key, limit)
		}
	}
}

// wait returns the program's exit status and the lines that were not taken.
func (p *process) wait() (status int, rest []map[string]any) {
	p.t.Helper()
	select {
	case <-p.exited:
	case <-time.After(limit):
		p.t.Fatalf("%s did not end within %v", filepath.Base(p.name), limit)
	}
	for object := range p.lines {
		rest = append(rest, object)
	}
	var failed *exec.ExitError
	if errors.As(p.err, &failed) {
		return failed.ExitCode(), rest
	}
	if p.err != nil {
		p.t.Fatalf("%s: %v", filepath.Base(p.name), p.err)
	}
	return 0, rest
}

// succeed waits for the end of a program that must not fail.
func (p *process) succeed() []map[string]any {
	p.t.Helper()
	status, rest := p.wait()
	if status != 0 {
		p.t.Fatalf("%s ended with status %d", filepath.Base(p.name), status)
	}
	return rest
}

// freePort is a port that is free for UDP and TCP on the loopback address.
func freePort(t *testing.T) string {
	t.Helper()
	for range 100 {
		tcp, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		udp, err := net.ListenPacket("udp", tcp.Addr().String())
		_ = tcp.Close()
		if err == nil {
			_ = udp.Close()
			return tcp.Addr().String()
		}
	}
	t.Fatal("no free port")
	return ""
}

// peers is the directory of the other implementations' wrappers.
const peers = "testdata/peers"

// installed is the path of a file that must be there.
func installed(t *testing.T, how string, path ...string) string {
	t.Helper()
	file := filepath.Join(append([]string{peers}, path...)...)
	if _, err := os.Stat(file); err != nil {
		t.Fatalf("%v; in impl/interop/%s: %s", err, peers, how)
	}
	return file
}

func moq(t *testing.T, args ...string) *process {
	t.Helper()
	return start(t, binary, args...)
}

func node(t *testing.T, args ...string) *process {
	t.Helper()
	installed(t, "npm ci", "node_modules", "@moq", "net", "package.json")
	return start(t, "node", append([]string{filepath.Join(peers, "node", "peer.mjs")}, args...)...)
}

func chromium(t *testing.T, args ...string) *process {
	t.Helper()
	installed(t, "npm ci", "node_modules", "@moq", "net", "package.json")
	return start(t, "node", append([]string{filepath.Join(peers, "browser", "run.mjs")}, args...)...)
}

func python(t *testing.T, args ...string) *process {
	t.Helper()
	interpreter := installed(t, "python3 -m venv python/venv && python/venv/bin/pip install -r python/requirements.txt -r python/requirements-front.txt", "python", "venv", "bin", "python")
	return start(t, interpreter, append([]string{filepath.Join(peers, "python", "peer.py")}, args...)...)
}

// moqRelay starts the Rust relay and returns its address.
func moqRelay(t *testing.T, args ...string) (addr string, relay *process) {
	t.Helper()
	addr = freePort(t)
	relay = start(t, relayBinary(t), append([]string{
		"--listen", addr, "--listen-tls-generate", "localhost", "--web-http-listen", addr, "--auth-public", "**",
	}, args...)...)
	await(t, addr)
	return addr, relay
}

func relayBinary(t *testing.T) string {
	t.Helper()
	if path := os.Getenv("MOQ_RELAY"); path != "" {
		return path
	}
	if path, err := exec.LookPath("moq-relay"); err == nil {
		return path
	}
	beside, err := filepath.Abs("../../../shared/peers/bin/moq-relay")
	if err == nil {
		if _, err = os.Stat(beside); err == nil {
			return beside
		}
	}
	t.Fatal("moq-relay is missing: set MOQ_RELAY, or put it on the PATH (cargo install moq-relay --version 0.17.10 --locked)")
	return ""
}

// await waits until the relay's web server answers, which starts last.
func await(t *testing.T, addr string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	defer cancel()
	for ctx.Err() == nil {
		conn, err := new(net.Dialer).DialContext(ctx, "tcp", addr)
		if err == nil {
			_ = conn.Close()
			return
		}
		time.Sleep(50 * time.Millisecond)
	}
	t.Fatalf("nothing answers at %s", addr)
}

// ourRelay starts moq relay, restricted to a version unless that is empty.
func ourRelay(t *testing.T, version string) (addr, fingerprint string) {
	t.Helper()
	args := []string{"relay", "--listen", "127.0.0.1:0", "--json"}
	if version != "" {
		args = append(args, "--version-only", version)
	}
	ready := moq(t, args...).expect("ready")
	return strings.TrimPrefix(ready["url"].(string), "https://"), ready["fingerprint"].(string)
}
