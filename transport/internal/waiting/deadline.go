package waiting

import (
	"sync"
	"time"
)

// A Deadline tells whether a time has passed, and wakes the goroutines that
// wait on a condition variable when it does. The lock of that must be held for
// each call.
type Deadline struct {
	Passed bool
	timer  *time.Timer
}

// Set replaces the deadline; the zero time removes it.
func (d *Deadline) Set(t time.Time, cond *sync.Cond) {
	d.Stop()
	d.Passed = false
	if t.IsZero() {
		return
	}
	left := time.Until(t)
	if left <= 0 {
		d.Passed = true
		cond.Broadcast()
		return
	}
	var timer *time.Timer
	timer = time.AfterFunc(left, func() {
		cond.L.Lock()
		defer cond.L.Unlock()
		// Else it was replaced while this function waited for the lock.
		if d.timer == timer {
			d.Passed = true
			cond.Broadcast()
		}
	})
	d.timer = timer
}

// Stop cancels the deadline.
func (d *Deadline) Stop() {
	if d.timer != nil {
		d.timer.Stop()
		d.timer = nil
	}
}
