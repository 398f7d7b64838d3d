//go:build unix

package bench

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime/debug"
	"sync/atomic"
	"testing"
)

// taskVariable is set in a process that has to do a task.
const taskVariable = "MOQ_BENCH_TASK"

// A task is what another process does.
type task struct {
	Work     string // of works
	Way      string
	Scheme   string
	Audience audience
	Addr     string
}

// works are what processes do until their standard input ends. A line there
// tells them to go on.
var works = map[string]func(t task, orders *bufio.Reader, tell *json.Encoder) error{
	"server":   task.serve,
	"audience": task.read,
	"idle":     task.idle,
	"relay":    task.relay,
	"viewers":  task.view,
}

// over is set when all is measured: the other end may then go at any time.
var over atomic.Bool

// failed ends the process with an error, unless all is measured.
func failed(err error) {
	if err != nil && !over.Load() {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// doTask does the task in the environment, if there is one.
func doTask() (told bool, err error) {
	text := os.Getenv(taskVariable)
	if text == "" {
		return false, nil
	}
	var t task
	if err := json.Unmarshal([]byte(text), &t); err != nil {
		return true, fmt.Errorf("%s: %w", taskVariable, err)
	}
	debug.SetGCPercent(400)
	orders := bufio.NewReader(os.Stdin)
	if err := works[t.Work](t, orders, json.NewEncoder(os.Stdout)); err != nil {
		return true, err
	}
	_, err = io.Copy(io.Discard, orders)
	return true, err
}

// A process is one that does a task.
type process struct {
	name string
	cmd  *exec.Cmd
	in   io.WriteCloser
	told *json.Decoder
}

// start starts a process for a task, which lives at most as long as ctx.
func (t task) start(ctx context.Context, b *testing.B) *process {
	text, err := json.Marshal(t)
	if err != nil {
		b.Fatal(err)
	}
	program, err := os.Executable()
	if err != nil {
		b.Fatal(err)
	}
	p := &process{name: t.Work + " of " + t.Way, cmd: exec.CommandContext(ctx, program)}
	p.cmd.Env = append(os.Environ(), taskVariable+"="+string(text))
	p.cmd.Stderr = os.Stderr
	if p.in, err = p.cmd.StdinPipe(); err != nil {
		b.Fatal(err)
	}
	out, err := p.cmd.StdoutPipe()
	if err != nil {
		b.Fatal(err)
	}
	if err := p.cmd.Start(); err != nil {
		b.Fatal(err)
	}
	p.told = json.NewDecoder(out)
	return p
}

// hear waits for the process to print a value.
func (p *process) hear(b *testing.B, what any) {
	if err := p.told.Decode(what); err != nil {
		b.Fatalf("%s: %v", p.name, err)
	}
}

func (p *process) end(b *testing.B) {
	_ = p.in.Close()
	if err := p.cmd.Wait(); err != nil {
		b.Errorf("%s: %v", p.name, err)
	}
}
