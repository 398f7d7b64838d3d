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

// line prints v as a JSON object on a line of its own.
func line(w io.Writer, v any) error {
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false) // people read it too
	return e.Encode(v)
}

// A progress reports the progress of a command: on a terminal it overwrites
// one line, elsewhere it prints a line from time to time, and with --json it
// prints objects if the command has any.
type progress struct {
	o      *options
	often  time.Duration // interval on a terminal
	every  time.Duration // interval elsewhere
	text   func() string
	object func() any // for --json; nil: nothing is printed

	terminal bool
	stop     chan struct{}
	done     sync.WaitGroup
}

// startProgress reports text until finish is called.
func (o *options) startProgress(text func() string) *progress {
	p := o.progress(text)
	p.start()
	return p
}

// progress returns a progress that is not started, for callers that set other
// intervals or an object first.
func (o *options) progress(text func() string) *progress {
	return &progress{o: o, often: 200 * time.Millisecond, every: 5 * time.Second, text: text}
}

// start begins to report, in a goroutine that stopReports waits for. On
// standard error only a terminal can overwrite a line.
func (p *progress) start() {
	p.stop = make(chan struct{})
	if f, ok := p.o.err.(*os.File); ok {
		p.terminal = term.IsTerminal(int(f.Fd()))
	}
	if !p.o.json || p.object != nil {
		p.done.Go(p.reportPeriodically)
	}
}

// reportPeriodically prints until stopReports is called.
func (p *progress) reportPeriodically() {
	every := p.every
	if p.terminal && !p.o.json {
		every = p.often
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

// print prints the current state once: an object, over the last line, or as one
// more line.
func (p *progress) print() {
	switch {
	case p.o.json:
		_ = line(p.o.out, p.object())
	case p.terminal:
		fmt.Fprintf(p.o.err, "\r\x1b[K%s", p.text())
	default:
		fmt.Fprintln(p.o.err, p.text())
	}
}

// stopReports stops the reports and prints the last state on a line of its own.
// Commands with objects print their own summary instead.
func (p *progress) stopReports() {
	close(p.stop)
	p.done.Wait()
	if p.o.json {
		return
	}
	if p.object == nil {
		p.print()
	}
	if p.terminal {
		fmt.Fprintln(p.o.err)
	}
}

// count formats a number of things for people: "1 group", "2 groups".
func count(n int64, what string) string {
	if n != 1 {
		what += "s"
	}
	return fmt.Sprintf("%d %s", n, what)
}

// size formats a number of bytes for people.
func size(n int64) string {
	// Sizes are of files and memory, in powers of two; rates are of networks,
	// in powers of ten.
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

// bitrate formats a number of bits per second for people.
func bitrate(n float64) string {
	const unit = 1000
	prefix := 0
	for n >= unit && prefix < 4 {
		n, prefix = n/unit, prefix+1
	}
	return fmt.Sprintf("%.1f %sbit/s", n, []string{"", "k", "M", "G", "T"}[prefix])
}

// micros returns percentiles for JSON, in microseconds.
func micros(d *distribution) map[string]int64 {
	return map[string]int64{
		"p50": d.at(50).Microseconds(), "p90": d.at(90).Microseconds(),
		"p99": d.at(99).Microseconds(), "max": d.at(100).Microseconds(),
	}
}

// percentiles formats percentiles for people.
func percentiles(d *distribution) string {
	at := func(percent float64) time.Duration { return round(d.at(percent)) }
	return fmt.Sprintf("p50 %v, p90 %v, p99 %v, max %v", at(50), at(90), at(99), at(100))
}

// round keeps about three digits.
func round(d time.Duration) time.Duration {
	for unit := time.Microsecond; unit < time.Second; unit *= 10 {
		if d < 1000*unit {
			return d.Round(unit)
		}
	}
	return d.Round(time.Second)
}
