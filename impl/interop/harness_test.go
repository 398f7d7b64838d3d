//go:build unix

package interop_test

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// limit is how long any program may take for what a test waits for.
const limit = time.Minute

// binary is the path of cmd/moq, built once.
var binary string

func TestMain(m *testing.M) {
	if os.Getenv("MOQ_INTEROP") == "" {
		fmt.Println("interop: skipped, since MOQ_INTEROP is not set (see the package's documentation)")
		return
	}
	status := runAll(m)
	if chosen := flag.Lookup("test.run").Value.String(); status == 0 && chosen == "" {
		if err := tried.compare(); err != nil {
			fmt.Println("interop:", err)
			status = 1
		}
	}
	os.Exit(status)
}

func runAll(m *testing.M) int {
	if binary = os.Getenv(namespaced); binary != "" {
		return m.Run()
	}
	dir, err := os.MkdirTemp("", "moq-interop-")
	if err != nil {
		fmt.Println("interop:", err)
		return 1
	}
	defer os.RemoveAll(dir)
	binary = filepath.Join(dir, "moq")
	if out, err := exec.Command("go", "build", "-o", binary, "../../cmd/moq").CombinedOutput(); err != nil {
		fmt.Printf("interop: cannot build cmd/moq: %v\n%s", err, out)
		return 1
	}
	if from := os.Getenv("MOQ_PEERS"); from != "" {
		peers, err = assemble(filepath.Join(dir, "peers"), from)
		if err != nil {
			fmt.Println("interop: MOQ_PEERS:", err)
			return 1
		}
	}
	return m.Run()
}

// A process is a running program that prints JSON objects, one on each line.
type process struct {
	t      *testing.T
	cmd    *exec.Cmd
	exited chan struct{}
	err    error // after exited
	more   chan struct{}

	mu     sync.Mutex
	lines  [][]byte    // that are JSON
	at     []time.Time // of the lines
	taken  int         // of them, by expect
	output bytes.Buffer
	errors bytes.Buffer // of output, what went to standard error
}

// start runs a program until it ends or the test does.
func start(t *testing.T, name string, args ...string) *process {
	t.Helper()
	return run(t, exec.Command(name, args...))
}

// startFed starts a program and writes input to its standard input, which stays
// open until hangUp is called.
func startFed(t *testing.T, input []byte, name string, args ...string) (p *process, hangUp func()) {
	t.Helper()
	cmd := exec.Command(name, args...)
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	p = run(t, cmd)
	written := make(chan error, 1)
	go func() {
		_, err := stdin.Write(input)
		written <- err
	}()
	return p, func() {
		t.Helper()
		if err := errors.Join(<-written, stdin.Close()); err != nil {
			t.Errorf("standard input of %s: %v", name, err)
		}
	}
}

func run(t *testing.T, cmd *exec.Cmd) *process {
	t.Helper()
	p := &process{
		t:      t,
		cmd:    cmd,
		exited: make(chan struct{}),
		more:   make(chan struct{}, 1),
	}
	if cmd.Path == binary {
		// Where relays keep their certificates.
		cmd.Env = append(cmd.Environ(), "XDG_CACHE_HOME="+filepath.Join(filepath.Dir(binary), "cache"))
	}
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	p.cmd.Stderr = writer(p.complain)
	stdout, err := p.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go p.read(bufio.NewReader(stdout))
	t.Cleanup(p.end)
	return p
}

type writer func([]byte)

func (w writer) Write(b []byte) (int, error) { w(b); return len(b), nil }

// note keeps output for the report of a failure.
func (p *process) note(b []byte) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.output.Write(b)
}

func (p *process) complain(b []byte) {
	p.note(b)
	p.mu.Lock()
	defer p.mu.Unlock()
	p.errors.Write(b)
}

// said returns all that the program has printed.
func (p *process) said() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.output.String()
}

func (p *process) read(stdout *bufio.Reader) {
	for {
		text, err := stdout.ReadBytes('\n')
		p.note(text)
		if json.Valid(text) {
			p.mu.Lock()
			p.lines, p.at = append(p.lines, text), append(p.at, time.Now())
			p.mu.Unlock()
			select {
			case p.more <- struct{}{}:
			default:
			}
		}
		if err != nil {
			break
		}
	}
	p.err = p.cmd.Wait()
	close(p.exited)
}

// end stops the program and what it has started, and reports its output if the
// test has failed.
func (p *process) end() {
	p.signal(syscall.SIGTERM)
	select {
	case <-p.exited:
	case <-time.After(3 * time.Second):
	}
	p.signal(syscall.SIGKILL)
	<-p.exited
	if p.t.Failed() {
		p.t.Logf("%s\n%s", strings.Join(p.cmd.Args, " "), p.said())
	}
}

// signal sends a signal to the program and those that it has started.
func (p *process) signal(s syscall.Signal) { _ = syscall.Kill(-p.cmd.Process.Pid, s) }

func (p *process) String() string { return filepath.Base(p.cmd.Args[0]) + " " + p.cmd.Args[1] }

// next returns the first line that expect has not taken.
func (p *process) next() (line []byte, ok bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.taken == len(p.lines) {
		return nil, false
	}
	p.taken++
	return p.lines[p.taken-1], true
}

// expect waits for a line with a key.
func (p *process) expect(key string) map[string]any {
	p.t.Helper()
	timeout := time.After(limit)
	for ended := false; ; {
		for line, ok := p.next(); ok; line, ok = p.next() {
			var object map[string]any
			if json.Unmarshal(line, &object) == nil && object[key] != nil {
				return object
			}
		}
		if ended {
			p.t.Fatalf("%v ended without %q: %v", p, key, p.err)
		}
		select {
		case <-p.more:
		case <-p.exited:
			ended = true
		case <-timeout:
			p.t.Fatalf("%v did not print %q within %v", p, key, limit)
		}
	}
}

// wait waits for the program's end and returns its exit status.
func (p *process) wait() int {
	p.t.Helper()
	select {
	case <-p.exited:
	case <-time.After(limit):
		p.t.Fatalf("%v did not end within %v", p, limit)
	}
	if _, exited := errors.AsType[*exec.ExitError](p.err); p.err != nil && !exited {
		p.t.Fatalf("%v: %v", p, p.err)
	}
	return p.cmd.ProcessState.ExitCode()
}

// succeed waits for the end of a program, and fails the test if it failed.
func (p *process) succeed() {
	p.t.Helper()
	if status := p.wait(); status != 0 {
		p.t.Fatalf("%v ended with status %d", p, status)
	}
}

// printed decodes the lines that an ended program has printed.
func printed[T any](p *process) []T {
	p.t.Helper()
	<-p.exited
	var all []T
	for _, line := range p.lines {
		var v T
		if err := json.Unmarshal(line, &v); err != nil {
			p.t.Fatalf("%v printed %s: %v", p, line, err)
		}
		all = append(all, v)
	}
	return all
}
