package age

import (
	"math"
	"sync/atomic"
	"time"
)

// never is above all timestamps.
const never = math.MaxUint64

// farthest is the longest time that the timer of a horizon is set for, and so how long it
// may outlive its subscription.
const farthest = time.Second

// A horizon is a timestamp before which no group becomes too old. Frames without a
// timestamp would need the clock; a timer takes its place, which fires somewhat early. Once
// it has fired, each of these frames is checked.
type horizon struct {
	due  atomic.Uint64 // a frame with this timestamp or a later one has to be checked
	near atomic.Bool   // a frame without a timestamp has to be checked

	// Guarded like the groups.
	timer *time.Timer   // sets near; lazily made
	fires time.Duration // when it fires, or has fired, since began
}

// beyond reports whether a frame need not be checked. It needs no lock.
func (h *horizon) beyond(timestamp uint64) bool {
	if timestamp == 0 {
		return !h.near.Load()
	}
	return timestamp < h.due.Load()
}

// forget makes the next frame be checked, whatever its timestamp.
func (h *horizon) forget() {
	h.due.Store(0)
	h.near.Store(true)
}

// clear makes no frame be checked: no group can become too old.
func (h *horizon) clear() {
	h.due.Store(never)
	h.near.Store(false)
}

// wake sets the timer so that frames without a timestamp are checked in time for due, a
// duration since began.
func (h *horizon) wake(began time.Time, due time.Duration) {
	h.near.Store(false)
	now := time.Since(began) // if fires is later, the timer has not fired yet
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
