package session

import (
	"io"
	"time"

	"github.com/moqlite/moqlite/impl/internal/numbers"
)

const (
	// lateGroup is the longest time to wait for a missing group after the track's
	// end, counted from when something has arrived last.
	lateGroup = 5 * time.Second

	// lateEnd is how long to wait when no group is known to be missing, but the
	// version cannot tell which group is the last (moq-lite-03 and 04).
	lateEnd = time.Second
)

// linger is called when the publisher has ended its half of the stream. It waits for the
// groups that are still to arrive, and then until the application has read all groups.
// It returns io.EOF, or why the session has ended.
func (sub *subscription) linger() error {
	timer := time.NewTimer(lateGroup)
	defer timer.Stop()
	for quiet := false; ; {
		sub.mu.Lock()
		missing := sub.missing()
		wait := sub.waitForMore(len(missing) > 0)
		open, closed := sub.share.Len(), sub.closed
		if quiet && open == 0 {
			for _, hole := range missing {
				sub.drop(hole.Start, hole.End, nil)
			}
			missing, wait = nil, 0
		}
		if len(missing) == 0 && (wait == 0 || quiet) {
			sub.finishQueue(io.EOF)
			if open == 0 || closed {
				sub.mu.Unlock()
				return io.EOF
			}
		}
		sub.mu.Unlock()
		quiet = false
		timer.Reset(max(wait, time.Millisecond))
		select {
		case <-sub.progress:
		case <-timer.C:
			quiet = true
		case <-sub.session.Context().Done():
			return sub.session.life.err()
		}
	}
}

// missing returns the numbers of the track that have neither arrived nor become a gap.
// The subscription's lock is held.
func (sub *subscription) missing() []numbers.Span {
	spans := sub.arrived.Spans()
	if len(spans) == 0 && !sub.endKnown {
		return nil
	}
	start, known := sub.firstWanted()
	switch {
	case known:
	case sub.started:
		start = sub.start
	case len(spans) > 0:
		start = spans[0].Start
	}
	end := sub.end
	if !sub.endKnown {
		end = spans[len(spans)-1].End
	}
	return sub.arrived.Missing(sub.clip(start, end))
}

// waitForMore is how long linger waits for the next group, given whether one is missing.
func (sub *subscription) waitForMore(missing bool) time.Duration {
	age := sub.config.MaxLatency
	if age == 0 {
		age = sub.info.MaxLatency
	}
	switch {
	case missing:
		return min(max(age, lateEnd), lateGroup)
	case sub.endKnown:
		return 0
	default:
		return lateEnd
	}
}
