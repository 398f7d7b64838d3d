// Package probe reports how much the path to a peer carries: [Serve] sends the reports on a
// Probe stream, and a [Reader] receives them (moq-lite-06, PROBE; every version has it).
//
// Only the newest report counts. A Reader keeps one, so a slow application costs no memory,
// and once it has returned an error it returns no report any more. Serve has no queue: it
// looks at the estimate again when the peer has taken the report before.
package probe

import (
	"context"
	"time"

	"github.com/moqlite/moqlite/api"
	"github.com/moqlite/moqlite/impl/internal/control"
	"github.com/moqlite/moqlite/impl/internal/message"
	"github.com/moqlite/moqlite/transport"
)

const (
	// interval is how often the estimate is checked while a peer wants reports.
	interval = 100 * time.Millisecond

	// maxAge is after how long a report is repeated even if the estimate has hardly
	// changed.
	maxAge = 10 * time.Second
)

// Estimate returns the bitrate that the path to the peer carries, by the congestion
// window, and its round-trip time. Zeros mean unknown.
func Estimate(t transport.Stats) api.Bitrate {
	if t.RTT <= 0 {
		return api.Bitrate{}
	}
	return api.Bitrate{BitsPerSecond: uint64(float64(t.CongestionWindow*8) / t.RTT.Seconds()), RTT: t.RTT}
}

// Serve sends reports about conn until ctx ends or the stream fails: at once, when the
// estimate has changed by a quarter, and when the last one is maxAge old.
func Serve(ctx context.Context, st *control.Stream, conn transport.StatsConn) {
	tick := time.NewTicker(interval)
	defer tick.Stop()
	var last api.Bitrate
	var sent time.Time
	for {
		if now := Estimate(conn.Stats()); sent.IsZero() || time.Since(sent) >= maxAge || changed(last, now) {
			if st.Send(&message.Probe{Bitrate: now.BitsPerSecond, RTT: roundTrip(now.RTT)}) != nil {
				return
			}
			last, sent = now, time.Now()
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
	}
}

// roundTrip is a round-trip time in the milliseconds of PROBE, where 0 means unknown.
func roundTrip(d time.Duration) uint64 {
	if d <= 0 {
		return 0
	}
	return uint64(max(d.Milliseconds(), 1))
}

// changed reports whether the bitrate or the round-trip time has changed by a quarter.
func changed(last, now api.Bitrate) bool {
	return apart(float64(last.BitsPerSecond), float64(now.BitsPerSecond)) || apart(last.RTT.Seconds(), now.RTT.Seconds())
}

func apart(a, b float64) bool { return max(a, b)-min(a, b) >= 0.25*max(a, b) && a != b }
