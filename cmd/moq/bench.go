package main

import (
	"context"
	"crypto/rand"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/moqlite/moqlite/api"
)

type benchFlags struct {
	shape
	sessions, broadcasts, subscriptions int
}

func benchCommand(o *options) *cobra.Command {
	flags := benchFlags{shape: video}
	cmd := &cobra.Command{
		Use:   "bench [URL]",
		Short: "Measure throughput, loss and latency through a relay",
		Long: `Publish and subscribe through a relay, any that passes announcements on, and
measure throughput, loss and latency. Without a URL it is a relay in this
process.

Each broadcast is published over a session of its own. Each of the subscribing
sessions subscribes so many times to each of the broadcasts, to another track
each time: there are sessions × broadcasts × subscriptions of them. What is
measured begins when all of them receive.

A frame's latency is from when it was sent, or was due if sending had fallen
behind, until its last byte was read. A frame is lost if it has not come in the
end; the lost groups of each second are those known by then.`,
		Example: `  moq bench
  moq bench http://127.0.0.1:4443 --sessions 20 --rate 50 --size 4000
  moq bench https://relay.example.com --rate 0 --size 100000 --duration 10s --json`,
		Args: between(0, 1, "bench takes a URL or nothing"),
		RunE: func(cmd *cobra.Command, args []string) error { return bench(cmd.Context(), o, flags, args) },
	}
	f := cmd.Flags()
	f.IntVar(&flags.sessions, "sessions", 1, "sessions that subscribe")
	f.IntVar(&flags.broadcasts, "broadcasts", 1, "broadcasts")
	f.IntVar(&flags.subscriptions, "subscriptions", 1, "subscriptions of each session to each broadcast")
	f.Float64Var(&flags.rate, "rate", flags.rate, "frames a second of each track; 0 is as many as go through")
	f.IntVar(&flags.size, "size", flags.size, "bytes a frame")
	f.IntVar(&flags.window, "window", flags.window, "bytes under way in each subscription at most, with --rate 0")
	f.IntVar(&flags.group, "group-frames", flags.group, "frames a group")
	f.DurationVar(&flags.duration, "duration", flags.duration, "how long to send")
	return cmd
}

func (s shape) validate() error {
	switch {
	case s.rate < 0:
		return usage("--rate %v is negative", s.rate)
	case s.size < stampSize || s.size > maxGroup:
		return usage("--size %d: it is %d, for the sending time, to %d", s.size, stampSize, maxGroup)
	case s.group < 1 || s.group > maxFrames:
		return usage("--group-frames %d: it is 1 to %d, since readers refuse longer groups", s.group, maxFrames)
	case s.window < 1:
		return usage("--window %d: it is 1 or more", s.window)
	case s.duration <= 0:
		return usage("--duration %v: it is more than 0", s.duration)
	}
	return nil
}

func (f benchFlags) validate() error {
	for name, n := range map[string]int{"sessions": f.sessions, "broadcasts": f.broadcasts, "subscriptions": f.subscriptions} {
		if n < 1 {
			return usage("--%s %d: it is 1 or more", name, n)
		}
	}
	return f.shape.validate()
}

func bench(ctx context.Context, o *options, flags benchFlags, args []string) error {
	if err := flags.validate(); err != nil {
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
		relay, err := o.embed()
		if err != nil {
			return err
		}
		defer relay.shutDown()
		l.url, l.newClient = "moqt://"+relay.addr, relay.client
	}
	bar := o.progress(l.liveText)
	bar.often, bar.every, bar.object = time.Second, time.Second, l.liveObject
	err := l.runLoad(ctx, bar)
	if l.startedAt.IsZero() {
		return err
	}
	if o.json {
		_ = line(o.out, l.summary())
	} else {
		fmt.Fprint(o.out, l.summaryText())
	}
	return err
}
