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

// A horizon is up to which timestamp no group is too old. Frames that are not
// stamped go by a timer instead of the clock. It rings early, since it need not be
// exact: from then on each of them is looked at.
type horizon struct {
	due  atomic.Uint64 // from here on, some group may be too old
	near atomic.Bool   // frames that are not stamped may be as far

	// Guarded as the groups are.
	timer *time.Timer   // makes it near; made at first
	rings time.Duration // when it does, as long as it is not near; 0 for not
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
	if h.near.Load() {
		h.rings = 0
		h.near.Store(false)
	}
}

// wake has frames that are not stamped looked at in time for what is due a while
// from now.
func (h *horizon) wake(now, while time.Duration) {
	in := min(while-while/8, farSight)
	if rings := now + in; h.near.Load() || h.rings == 0 || rings < h.rings {
		h.rings = rings
		h.near.Store(false)
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
