package walk

import (
	"fmt"
	"strings"
	"time"

	"github.com/moqlite/moqlite/api"
)

// A world is the script of what happens, made before anything runs.
type world struct {
	seed       uint64
	quic       bool // there are links with real QUIC
	relays     []relaySpec
	broadcasts []broadcastSpec
	events     []event // in order of time
}

// A relaySpec is a relay and the relays that it dials.
type relaySpec struct {
	name string
	up   []linkSpec // to relays before it
}

// A linkSpec is the path from a client to a relay.
type linkSpec struct {
	name    string
	to      string // the relay
	version api.Version
	delay   time.Duration
	quic    bool    // real QUIC, over a simulated network
	loss    float64 // of its packets
}

func (l linkSpec) String() string {
	if l.quic {
		return fmt.Sprintf("%s (%s, QUIC, %v, %.1f %% loss)", l.to, strings.TrimPrefix(string(l.version), "moq-lite-"), l.delay, 100*l.loss)
	}
	return fmt.Sprintf("%s (%s, %v)", l.to, strings.TrimPrefix(string(l.version), "moq-lite-"), l.delay)
}

// A broadcastSpec is what is published at a path, by any publisher.
type broadcastSpec struct {
	path   api.BroadcastPath
	tracks []trackSpec
}

// A trackSpec is the shape of a track.
type trackSpec struct {
	name    api.TrackName
	period  time.Duration // from the beginning of a group to that of the next
	frames  int           // most of a group
	size    int           // most of a frame
	spread  float64       // how many periods a group takes; above 1 groups overlap
	endless bool          // one group, which gets a frame each period
	breaks  bool          // the publisher resets some groups
}

func (t trackSpec) String() string {
	if t.endless {
		return fmt.Sprintf("%s (one endless group, a frame each %v)", t.name, t.period)
	}
	breaks := map[bool]string{true: ", some reset"}[t.breaks]
	return fmt.Sprintf("%s (a group each %v, lasting %.1f of it, up to %d frames of %d B%s)", t.name, t.period, t.spread, t.frames, t.size, breaks)
}

// An event is one line of the script.
type event struct {
	at   time.Duration // since the beginning
	step step
}

// A step is what an event does.
type step interface {
	fmt.Stringer
	run(s *stage)
	lasts() time.Duration // how long things change because of it
}

// moves returns when all events are over.
func (w *world) moves() (end time.Duration) {
	for _, e := range w.events {
		end = max(end, e.at+e.step.lasts())
	}
	if w.quic {
		end += idle
	}
	return end
}

// only returns the world with only these of its events.
func (w *world) only(kept []int) *world {
	c := *w
	c.events = nil
	for _, i := range kept {
		c.events = append(c.events, w.events[i])
	}
	return &c
}

// String returns the script.
func (w *world) String() string {
	var b strings.Builder
	for _, r := range w.relays {
		fmt.Fprintf(&b, "  relay %s", r.name)
		for i, l := range r.up {
			fmt.Fprintf(&b, "%s %v", []string{" dials", " and"}[min(i, 1)], l)
		}
		b.WriteString("\n")
	}
	for _, c := range w.broadcasts {
		for _, t := range c.tracks {
			fmt.Fprintf(&b, "  broadcast %s: track %v\n", c.path, t)
		}
	}
	for i, e := range w.events {
		fmt.Fprintf(&b, "  %3d. %8.3fs  %v\n", i, e.at.Seconds(), e.step)
	}
	fmt.Fprintf(&b, "       %8.3fs  from here on nothing moves\n", w.moves().Seconds())
	return b.String()
}
