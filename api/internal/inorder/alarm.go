package inorder

import (
	"context"
	"errors"
	"sync"
	"time"
)

// errAlarm is the cause with which an alarm ends a wait.
var errAlarm = errors.New("there is something else to do")

// An alarm ends a wait: at a time, or when another goroutine rings. One that
// rings while nobody waits ends the next wait.
type alarm struct {
	mu   sync.Mutex
	rung bool
	end  context.CancelCauseFunc // of the wait, or nil
}

// ring ends the wait.
func (a *alarm) ring() {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.end == nil {
		a.rung = true
		return
	}
	a.end(errAlarm)
}

// bound returns a context that ends when the alarm rings, or after d unless that
// is negative. The wait is over when stop is called.
func (a *alarm) bound(ctx context.Context, d time.Duration) (_ context.Context, stop func()) {
	ctx, end := context.WithCancelCause(ctx)
	var timer *time.Timer
	if d > 0 {
		timer = time.AfterFunc(d, func() { end(errAlarm) })
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.end = end
	if a.rung || d == 0 {
		a.rung = false
		end(errAlarm)
	}
	return ctx, func() {
		if timer != nil {
			timer.Stop()
		}
		a.mu.Lock()
		a.end = nil
		a.mu.Unlock()
		end(nil)
	}
}
