package session

import (
	"io"
	"time"
)

const (
	// lateGroup is the longest time to wait for a missing group after the track's
	// end, counted from when something has arrived last.
	lateGroup = 5 * time.Second

	// lateEnd is how long to wait when no group is known to be missing, but the
	// version cannot tell which group is the last (moq-lite-03 and 04).
	lateEnd = time.Second
)

// The end of the publisher's half of a Subscribe stream is not the end of the track for its
// subscriber: groups come on streams of their own and may be late. Which of them are still
// to come is known from SUBSCRIBE_END, or else guessed from what has come; how long to wait
// for one that may be lost is a matter of how old groups may become.

// linger is called when the publisher has ended its half of the stream. It waits for the
// groups that are still to arrive, and then until the application has read all groups.
// It returns io.EOF, or why the session has ended.
func (sub *subscription) linger() error {
	timer := time.NewTimer(lateGroup)
	defer timer.Stop()
	for quiet := false; ; {
		sub.mu.Lock()
		missing := len(sub.coverage.Missing()) > 0
		wait := sub.waitForMore(missing)
		open, closed := sub.share.Len(), sub.closed
		// While groups are open, what is missing may still come after them.
		if quiet && open == 0 {
			sub.coverage.DropMissing(nil)
			missing, wait = false, 0
		}
		if !missing && (wait == 0 || quiet) {
			sub.finishQueue(io.EOF)
			if open == 0 || closed {
				sub.mu.Unlock()
				return io.EOF
			}
		}
		sub.mu.Unlock()
		quiet = false
		timer.Stop()
		if wait > 0 { // else only the reader is waited for
			timer.Reset(wait)
		}
		select {
		case <-sub.progress:
		case <-timer.C:
			quiet = true
		case <-sub.session.Context().Done():
			return sub.session.life.err()
		}
	}
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
	case sub.coverage.Ended():
		return 0
	default:
		return lateEnd
	}
}
