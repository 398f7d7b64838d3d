package age

import (
	"math"
	"sync/atomic"
	"time"
)

// never is a timestamp that none reaches.
const never = math.MaxUint64

// farthest is how far ahead a horizon is at most for frames without a timestamp,
// and so how long its timer may outlive its subscription.
const farthest = time.Second

// A horizon is a timestamp before which no group becomes too old. For frames
// without a timestamp a timer stands in for the clock. The timer fires early,
// since it need not be exact: from then on each of these frames is looked at.
type horizon struct {
	due  atomic.Uint64 // from this timestamp on, some group may be too old
	near atomic.Bool   // so it may be for frames without a timestamp

	// Guarded as the groups are.
	timer *time.Timer   // sets near; made when it is first needed
	fires time.Duration // when it does, or did
}

// beyond tells whether the horizon is beyond a frame. It may run at any time.
func (h *horizon) beyond(timestamp uint64) bool {
	if timestamp == 0 {
		return !h.near.Load()
	}
	return timestamp < h.due.Load()
}

// forget makes the next frame be looked at.
func (h *horizon) forget() {
	h.due.Store(0)
	h.near.Store(true)
}

// clear notes that no group may become too old.
func (h *horizon) clear() {
	h.due.Store(never)
	h.near.Store(false)
}

// wake has frames without a timestamp looked at in time for what is due, by a
// clock that began to run at some time.
func (h *horizon) wake(began time.Time, due time.Duration) {
	h.near.Store(false)
	now := time.Since(began) // a timer that fires later has not fired yet
	left := due - now
	if left <= 0 {
		h.near.Store(true)
		return
	}
	in := min(left-left/8, farthest)
	if fires := now + in; h.fires <= now || fires < h.fires {
		h.fires = fires
		h.set(in)
	}
}

func (h *horizon) set(in time.Duration) {
	if h.timer == nil {
		h.timer = time.AfterFunc(in, func() { h.near.Store(true) })
	} else {
		h.timer.Reset(in)
	}
}
