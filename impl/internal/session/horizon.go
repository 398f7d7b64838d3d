package session

import (
	"math"
	"sync/atomic"
	"time"
)

// never is a timestamp that none reaches.
const never = math.MaxUint64

// farSight is how far a horizon is at most for frames that are not stamped, and
// so how long its timer may outlive its subscription.
const farSight = time.Second

// A horizon is a timestamp before which no group becomes too old. Frames that are
// not stamped go by a timer instead of the clock. It rings early, since it need
// not be exact: from then on each of them is looked at.
type horizon struct {
	due  atomic.Uint64 // from here on, some group may be too old
	near atomic.Bool   // frames that are not stamped may be as far

	// Guarded as the groups are.
	timer *time.Timer   // makes it near; made at first
	rings time.Duration // when it does, or did
}

// beyond tells whether the horizon is beyond a frame. It may run at any time.
func (h *horizon) beyond(timestamp uint64) bool {
	if timestamp == 0 {
		return !h.near.Load()
	}
	return timestamp < h.due.Load()
}

// forget has the next frame look.
func (h *horizon) forget() {
	h.due.Store(0)
	h.near.Store(true)
}

// clear tells that no group may become too old.
func (h *horizon) clear() {
	h.due.Store(never)
	h.near.Store(false)
}

// wake has frames that are not stamped looked at in time for what is due, by a
// clock that began to run at some time.
func (h *horizon) wake(began time.Time, due time.Duration) {
	h.near.Store(false)
	now := time.Since(began) // what rings later has not rung
	left := due - now
	if left <= 0 {
		h.near.Store(true)
		return
	}
	in := min(left-left/8, farSight)
	if rings := now + in; h.rings <= now || rings < h.rings {
		h.rings = rings
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
