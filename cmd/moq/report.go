package main

import (
	"fmt"
	"strings"
	"time"

	"github.com/moqlite/moqlite/api"
)

// A sample is what has arrived until a moment, or between two moments.
type sample struct {
	at      time.Duration // since the start
	frames  int64
	bytes   int64
	latency *distribution
}

// sample returns what has arrived until now. The counters are read one after
// the other while frames arrive, so they may differ by a few.
func (l *loadTest) sample() sample {
	return sample{time.Since(l.startedAt), l.received.frames.Load(), l.received.bytes.Load(), l.latency.snapshot()}
}

// since returns what has arrived between two samples.
func (s sample) since(earlier sample) sample {
	return sample{s.at - earlier.at, s.frames - earlier.frames, s.bytes - earlier.bytes, s.latency.since(earlier.latency)}
}

// framesPerSecond returns the rate of frames over all subscriptions.
func (s sample) framesPerSecond() float64 { return float64(s.frames) / s.at.Seconds() }

// bitsPerSecond returns the rate of payload over all subscriptions; headers are
// not counted.
func (s sample) bitsPerSecond() float64 { return float64(s.bytes) * 8 / s.at.Seconds() }

// nextSample returns what has arrived since the last call.
func (l *loadTest) nextSample() sample {
	now := l.sample()
	defer func() { l.last = now }()
	return now.since(l.last)
}

// liveText formats what has arrived since the last report for people.
func (l *loadTest) liveText() string {
	s := l.nextSample()
	var lost string
	if n := l.countLost(); n > 0 {
		lost = ", lost " + count(n, "group")
	}
	return fmt.Sprintf("%3.0f s: %.0f frames/s, %s, %s%s",
		l.last.at.Seconds(), s.framesPerSecond(), bitrate(s.bitsPerSecond()), percentiles(s.latency), lost)
}

// liveObject is like liveText for JSON.
func (l *loadTest) liveObject() any {
	s := l.nextSample()
	return map[string]any{
		"seconds": seconds(l.last.at), "frames_received": s.frames, "bytes": s.bytes,
		"frames_per_second": int64(s.framesPerSecond()), "bits_per_second": int64(s.bitsPerSecond()),
		"groups_lost": l.countLost(), "latency_us": micros(s.latency),
	}
}

// seconds returns d in seconds, rounded down to milliseconds.
func seconds(d time.Duration) float64 { return float64(d.Milliseconds()) / 1000 }

// A result is the result of a load test. Each session is expected to receive
// every frame that was sent.
type result struct {
	sample
	sent                       int64
	expectedFrames, framesLost int64
	expectedGroups, groups     int64
}

// result returns the figures of the whole test. It may be called while that
// runs.
func (l *loadTest) result() result {
	r := result{sample: l.sample(), groups: l.received.groups.Load()}
	r.at = max(l.took, time.Millisecond)
	r.expectedFrames, r.expectedGroups = l.expectedTotals()
	r.sent = r.expectedFrames / int64(l.sessions)
	r.framesLost = r.expectedFrames - r.frames
	return r
}

// A summary is what --json prints at the end of a load test, and what bench
// writes to a file and compares. Latencies are in microseconds.
type summary struct {
	Done          bool             `json:"done"`
	Version       api.Version      `json:"version"`
	Transport     string           `json:"transport"`
	Sessions      int              `json:"sessions"`
	Broadcasts    int              `json:"broadcasts"`
	Subscriptions int              `json:"subscriptions"` // all together
	Rate          float64          `json:"rate"`          // frames per second of a track; 0: as many as possible
	Size          int              `json:"size"`
	GroupFrames   int              `json:"group_frames"`
	Seconds       float64          `json:"seconds"`
	Sent          int64            `json:"frames_sent"`
	Expected      int64            `json:"frames_expected"`
	Received      int64            `json:"frames_received"`
	Lost          int64            `json:"frames_lost"`
	GroupsSent    int64            `json:"groups_sent"`
	Groups        int64            `json:"groups_received"`
	GroupsLost    int64            `json:"groups_lost"`
	Bytes         int64            `json:"bytes"`
	FrameRate     int64            `json:"frames_per_second"`
	Bitrate       int64            `json:"bits_per_second"`
	Latency       map[string]int64 `json:"latency_us"`
	Compared      []change         `json:"compared,omitempty"`
}

// summary returns the result of the test.
func (l *loadTest) summary() *summary {
	r := l.result()
	return &summary{
		Done: true, Version: l.state.Version, Transport: l.state.Transport,
		Sessions: l.sessions, Broadcasts: len(l.paths), Subscriptions: l.subscriptions(),
		Rate: l.rate, Size: l.size, GroupFrames: l.group, Seconds: seconds(r.at),
		Sent: r.sent, Expected: r.expectedFrames, Received: r.frames, Lost: r.framesLost,
		GroupsSent: r.expectedGroups / int64(l.sessions), Groups: r.groups, GroupsLost: r.expectedGroups - r.groups,
		Bytes: r.bytes, FrameRate: int64(r.framesPerSecond()), Bitrate: int64(r.bitsPerSecond()),
		Latency: micros(r.latency),
	}
}

// summaryText formats the summary for people.
func (l *loadTest) summaryText() string {
	r := l.result()
	percent := 0.0
	if r.expectedFrames > 0 {
		percent = 100 * float64(r.framesLost) / float64(r.expectedFrames)
	}
	return fmt.Sprintf(`publishers → relay → subscribers, %s over %s: %s
frames   %d sent, %d of %d received, %d lost (%.3g %%)
groups   %d of %d received whole
payload  %s in %v: %.0f frames/s, %s
latency  %s
`, l.state.Version, l.state.Transport, l.name(), r.sent, r.frames, r.expectedFrames, r.framesLost, percent,
		r.groups, r.expectedGroups, size(r.bytes), round(r.at), r.framesPerSecond(), bitrate(r.bitsPerSecond()), percentiles(r.latency))
}

// name describes the load test.
func (l *loadTest) name() string {
	var b strings.Builder
	for _, part := range []struct {
		n    int
		what string
	}{{l.sessions, "session"}, {len(l.paths), "broadcast"}, {l.tracks, "subscription"}} {
		if b.Len() > 0 {
			b.WriteString(" × ")
		}
		b.WriteString(count(int64(part.n), part.what))
	}
	return b.String()
}
