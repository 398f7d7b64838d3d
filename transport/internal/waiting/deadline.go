package waiting

import (
	"sync"
	"time"
)

// A Deadline says whether its time has come, and wakes those who wait on cond
// when it does. The lock of cond guards it.
type Deadline struct {
	Passed bool
	timer  *time.Timer
}

// Set replaces the deadline; zero removes it.
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
		if d.timer == timer {
			d.Passed = true
			cond.Broadcast()
		}
	})
	d.timer = timer
}

// Stop lets the deadline never come.
func (d *Deadline) Stop() {
	if d.timer != nil {
		d.timer.Stop()
		d.timer = nil
	}
}
