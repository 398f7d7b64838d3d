package qmux

import (
	"sync"
	"time"
)

// A deadline says whether its time has come, and wakes those who wait on cond
// when it does. The lock of cond guards it.
type deadline struct {
	passed bool
	timer  *time.Timer
}

// set replaces the deadline; zero removes it.
func (d *deadline) set(t time.Time, cond *sync.Cond) {
	d.stop()
	d.passed = false
	if t.IsZero() {
		return
	}
	left := time.Until(t)
	if left <= 0 {
		d.passed = true
		cond.Broadcast()
		return
	}
	var timer *time.Timer
	timer = time.AfterFunc(left, func() {
		cond.L.Lock()
		defer cond.L.Unlock()
		if d.timer == timer {
			d.passed = true
			cond.Broadcast()
		}
	})
	d.timer = timer
}

// stop lets the deadline never come.
func (d *deadline) stop() {
	if d.timer != nil {
		d.timer.Stop()
		d.timer = nil
	}
}
