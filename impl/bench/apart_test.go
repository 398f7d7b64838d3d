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
	"time"
)

// settling is how long connections take to find out how large packets may be.
const settling = time.Second

// endVariable has this program be one end of a fan-out.
const endVariable = "MOQ_BENCH_END"

// An end is the server of a fan-out, or if Addr is one, its audience.
type end struct {
	Way      string
	Audience audience
	Addr     string
}

// A figure is what an end has done in a while.
type figure struct{ CPU, Bytes, Seconds float64 }

// run is what the process of an end does: it tells where it is, measures when it
// is told to, tells what, and ends with its standard input.
func (e end) run(in io.Reader, out io.Writer) error {
	debug.SetGCPercent(400)
	way, tell := fanOuts[e.Way], json.NewEncoder(out)
	var bytes atomic.Int64
	var err error
	addr := e.Addr
	if addr == "" {
		addr, err = way.serve(e.Audience)
	} else {
		err = way.read(e.Audience, addr, &bytes)
	}
	if err != nil {
		return err
	}
	if err := tell.Encode(addr); err != nil {
		return err
	}
	orders := bufio.NewReader(in)
	if _, err := orders.ReadString('\n'); err != nil {
		return err
	}
	time.Sleep(settling)
	s := sampled(bytes.Load)
	measured.Store(true)
	if err := tell.Encode(figure{s.cpu.Seconds(), s.done, s.elapsed.Seconds()}); err != nil {
		return err
	}
	_, err = io.Copy(io.Discard, orders)
	return err
}

// measured says that an end has done what it is for: its peer may go.
var measured atomic.Bool

// failed ends the process of an end for an error, unless that comes when all is
// measured.
func failed(err error) {
	if err != nil && !measured.Load() {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// beEnd is run for the end that the environment says, if it says one.
func beEnd() (told bool, err error) {
	text := os.Getenv(endVariable)
	if text == "" {
		return false, nil
	}
	var e end
	if err := json.Unmarshal([]byte(text), &e); err != nil {
		return true, fmt.Errorf("%s: %w", endVariable, err)
	}
	return true, e.run(os.Stdin, os.Stdout)
}

// A process is an end that runs.
type process struct {
	name string
	cmd  *exec.Cmd
	in   io.WriteCloser
	told *json.Decoder
	addr string
}

// start starts an end, which may live as long as ctx, and waits until it is ready.
func (e end) start(ctx context.Context, b *testing.B) *process {
	text, err := json.Marshal(e)
	if err != nil {
		b.Fatal(err)
	}
	program, err := os.Executable()
	if err != nil {
		b.Fatal(err)
	}
	p := &process{name: e.role() + " of " + e.Way, cmd: exec.CommandContext(ctx, program)}
	p.cmd.Env = append(os.Environ(), endVariable+"="+string(text))
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
	p.hear(b, &p.addr)
	return p
}

// hear waits for what the end tells.
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

func (e end) role() string {
	if e.Addr == "" {
		return "the server"
	}
	return "the audience"
}

// An outcome is what both ends of one way have done.
type outcome struct{ server, audience figure }

// run runs some ways at the same time.
func (a audience) run(b *testing.B, ways ...string) (outcomes []outcome) {
	ctx, cancel := context.WithTimeout(b.Context(), time.Minute)
	defer cancel()
	var all []*process
	for _, way := range ways {
		server := end{Way: way, Audience: a}.start(ctx, b)
		all = append(all, server, end{Way: way, Audience: a, Addr: server.addr}.start(ctx, b))
	}
	for _, p := range all {
		if _, err := io.WriteString(p.in, "measure\n"); err != nil {
			b.Fatal(err)
		}
	}
	figures := make([]figure, len(all))
	for i, p := range all {
		p.hear(b, &figures[i])
	}
	for i, p := range all {
		p.end(b)
		if i%2 == 0 {
			outcomes = append(outcomes, outcome{figures[i], figures[i+1]})
		} else if figures[i].Bytes == 0 {
			b.Fatalf("%s has got nothing", p.name)
		}
	}
	return outcomes
}

func (o outcome) rate() float64      { return o.audience.Bytes / o.audience.Seconds }
func (o outcome) serverCPU() float64 { return o.server.CPU / o.audience.Bytes }
func (o outcome) cpu() float64       { return (o.server.CPU + o.audience.CPU) / o.audience.Bytes }

// over notes what o is beside a twin.
func (o outcome) over(twin outcome, name string, metrics map[string][]float64) {
	for metric, value := range map[string]float64{
		"ours/s":             o.rate(),
		"rate/" + name:       o.rate() / twin.rate(),
		"cpu/" + name:        o.cpu() / twin.cpu(),
		"server-cpu/" + name: o.serverCPU() / twin.serverCPU(),
	} {
		metrics[metric] = append(metrics[metric], value)
	}
}
