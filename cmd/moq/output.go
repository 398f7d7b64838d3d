package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"sync"
	"time"

	"golang.org/x/term"
)

// line prints a JSON object on a line of its own.
func line(w io.Writer, v any) error { return json.NewEncoder(w).Encode(v) }

// A progress tells how far a command is: in place on a terminal, now and then
// in lines elsewhere, and not at all with --json.
type progress struct {
	w        io.Writer
	terminal bool
	silent   bool
	text     func() string

	stop chan struct{}
	done sync.WaitGroup
}

// startProgress tells text until finish.
func (o *options) startProgress(text func() string) *progress {
	p := &progress{w: o.err, silent: o.json, text: text, stop: make(chan struct{})}
	if f, ok := o.err.(*os.File); ok {
		p.terminal = term.IsTerminal(int(f.Fd()))
	}
	if !p.silent {
		p.done.Go(p.run)
	}
	return p
}

func (p *progress) run() {
	every := 5 * time.Second
	if p.terminal {
		every = 200 * time.Millisecond
	}
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			p.print()
		case <-p.stop:
			return
		}
	}
}

func (p *progress) print() {
	if p.terminal {
		fmt.Fprintf(p.w, "\r\x1b[K%s", p.text())
	} else {
		fmt.Fprintln(p.w, p.text())
	}
}

// finish tells the last state, on a line of its own.
func (p *progress) finish() {
	close(p.stop)
	p.done.Wait()
	if p.silent {
		return
	}
	p.print()
	if p.terminal {
		fmt.Fprintln(p.w)
	}
}

// size is a number of bytes for people.
func size(n int64) string {
	const unit = 1024
	if n < unit {
		return fmt.Sprintf("%d B", n)
	}
	value, prefix := float64(n)/unit, 0
	for value >= unit && prefix < 4 {
		value, prefix = value/unit, prefix+1
	}
	return fmt.Sprintf("%.1f %ciB", value, "KMGTP"[prefix])
}
