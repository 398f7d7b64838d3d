package session

import (
	"io"
	"time"

	"github.com/moqlite/moqlite/impl/internal/numbers"
)

const (
	// lateGroup is how long a group that is missing at the track's end is
	// waited for while nothing comes.
	lateGroup = 5 * time.Second

	// lateEnd is the same where the publisher cannot say which its last group
	// is, and none is known to be missing.
	lateEnd = time.Second
)

// linger waits, after the publisher's last word, for groups that are still
// under way, and then for the application to have read all. It returns io.EOF,
// or why the session has ended.
func (sub *subscription) linger() error {
	timer := time.NewTimer(lateGroup)
	defer timer.Stop()
	for quiet := false; ; {
		sub.session.unread.mu.Lock()
		missing := sub.missing()
		wait := sub.patience(len(missing) > 0)
		open, closed := sub.open, sub.closed
		if quiet && open == 0 {
			for _, hole := range missing {
				sub.drop(hole.Start, hole.End, nil)
			}
			missing, wait = nil, 0
		}
		if len(missing) == 0 && (wait == 0 || quiet) {
			sub.finishQueue(io.EOF)
			if open == 0 || closed {
				sub.session.unread.mu.Unlock()
				return io.EOF
			}
		}
		sub.session.unread.mu.Unlock()
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

// missing is what was promised and has not come. The unread lock is held.
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

// patience is how long to wait for more while nothing comes.
func (sub *subscription) patience(missing bool) time.Duration {
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
