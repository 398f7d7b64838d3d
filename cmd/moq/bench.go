package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/spf13/cobra"

	"github.com/moqlite/moqlite/api"
)

// benchFlags are the flags of bench: what each track is like, and how many
// there are.
type benchFlags struct {
	shape
	sessions, broadcasts, subscriptions int
	output, compare                     string
}

// benchCommand returns the command that measures a relay.
func benchCommand(o *options) *cobra.Command {
	flags := benchFlags{shape: video}
	cmd := &cobra.Command{
		Use:   "bench [URL]",
		Short: "Measure throughput, loss and latency through a relay",
		Long: `Publish and subscribe through a relay, and measure throughput, loss and latency.
Any relay will do that forwards announcements; without a URL, one is started in
this process.

Each broadcast is published over a session of its own. Each subscribing session
subscribes to --subscriptions tracks of every broadcast, so there are sessions ×
broadcasts × subscriptions of them. Measuring begins when all of them receive.

A frame's latency is the time from sending it, or from when it was due if the
sender had fallen behind, until its last byte was read. A frame counts as lost
if it has not arrived at the end; the lost groups of each second are those known
by then.`,
		Example: `  moq bench
  moq bench http://127.0.0.1:4443 --sessions 20 --rate 50 --size 4000
  moq bench http://127.0.0.1:4443 --output before.json
  moq bench http://127.0.0.1:4443 --compare before.json
  moq bench https://relay.example.com --rate 0 --size 100000 --duration 10s --json`,
		Args: between(0, 1, "bench takes a URL or nothing"),
		RunE: func(cmd *cobra.Command, args []string) error { return bench(cmd.Context(), o, flags, args) },
	}
	f := cmd.Flags()
	f.IntVar(&flags.sessions, "sessions", 1, "number of subscribing sessions")
	f.IntVar(&flags.broadcasts, "broadcasts", 1, "number of broadcasts")
	f.IntVar(&flags.subscriptions, "subscriptions", 1, "subscriptions of each session to each broadcast")
	f.Float64Var(&flags.rate, "rate", flags.rate, "frames per second of each track; 0: as many as possible")
	f.IntVar(&flags.size, "size", flags.size, "bytes per frame")
	f.IntVar(&flags.window, "window", flags.window, "maximum of bytes in flight in each subscription, with --rate 0")
	f.IntVar(&flags.group, "group-frames", flags.group, "frames per group")
	f.DurationVar(&flags.duration, "duration", flags.duration, "how long to send")
	f.StringVar(&flags.output, "output", "", "write the result to this `file`, as JSON")
	f.StringVar(&flags.compare, "compare", "", "compare with the result in this `file`, of --output or --json")
	o.tokenFlag(cmd)
	return cmd
}

// validate refuses tracks that a reader would refuse, or that have no room for
// the sending time.
func (s shape) validate() error {
	switch {
	case s.rate < 0:
		return usage("--rate %v: it must not be negative", s.rate)
	case s.size < stampSize || s.size > maxGroup:
		return usage("--size %d: it must be %d, for the sending time, to %d", s.size, stampSize, maxGroup)
	case s.group < 1 || s.group > maxFrames:
		return usage("--group-frames %d: it must be 1 to %d, since readers refuse longer groups", s.group, maxFrames)
	case s.window < 1:
		return usage("--window %d: it must be 1 or more", s.window)
	case s.duration <= 0:
		return usage("--duration %v: it must be more than 0", s.duration)
	}
	return nil
}

// validate refuses a load without tracks or readers.
func (f benchFlags) validate() error {
	for name, n := range map[string]int{"sessions": f.sessions, "broadcasts": f.broadcasts, "subscriptions": f.subscriptions} {
		if n < 1 {
			return usage("--%s %d: it must be 1 or more", name, n)
		}
	}
	return f.shape.validate()
}

// bench runs a load test against the server of args, or a relay of its own. A
// result is printed even if the test broke off once measuring had begun.
func bench(ctx context.Context, o *options, flags benchFlags, args []string) error {
	if err := flags.validate(); err != nil {
		return err
	}
	before, err := readSummary(flags.compare)
	if err != nil {
		return err
	}
	// A random path, so that several runs on one relay do not mix.
	prefix := "bench/" + rand.Text()[:8]
	l := &loadTest{shape: flags.shape, o: o, prefix: prefix, sessions: flags.sessions, tracks: flags.subscriptions}
	for i := range flags.broadcasts {
		l.paths = append(l.paths, api.BroadcastPath(fmt.Sprintf("%s/%d", prefix, i)))
	}
	if len(args) > 0 {
		l.url, l.newClient = args[0], o.client
	} else {
		o.bearer = nil // it is for the user's servers
		relay, err := o.embed()
		if err != nil {
			return err
		}
		defer relay.shutDown()
		// Native QUIC, so that the relay is measured, without HTTP/3 above it.
		l.url, l.newClient = "moqt://"+relay.addr, relay.client
	}
	bar := o.progress(l.liveText)
	// A line each second, on a terminal too: the seconds are to be compared.
	bar.often, bar.every, bar.object = time.Second, time.Second, l.liveObject
	err = l.runLoad(ctx, bar)
	// Nothing was measured: the error alone says why.
	if l.startedAt.IsZero() {
		return err
	}
	return errors.Join(err, o.printResult(l, flags.output, before))
}

// printResult prints the result of a load test, writes it to the file if one is
// named, and compares it with an earlier one if there is one.
func (o *options) printResult(l *loadTest, file string, before *summary) error {
	now := l.summary()
	var err error
	if o.json {
		if before != nil {
			now.Compared = before.changes(now)
		}
		err = line(o.out, now)
	} else {
		_, err = fmt.Fprint(o.out, l.summaryText())
		if before != nil {
			fmt.Fprint(o.out, before.changesText(now))
		}
	}
	if file == "" {
		return err
	}
	now.Compared = nil
	var text bytes.Buffer
	_ = line(&text, now)
	if failed := os.WriteFile(file, text.Bytes(), 0o644); failed != nil {
		return fmt.Errorf("--output: %w", failed)
	}
	return err
}
