package signal

import (
	"runtime"
	"sync"
	"testing"
	"testing/synctest"
)

// follow counts the changes that a waiting goroutine sees, until the last one: it gets the
// channel, looks, and waits. If it missed a change it would wait for ever, which the bubble
// reports.
func follow(last int, look func() (n int, changed <-chan struct{})) {
	for {
		n, changed := look()
		if n == last {
			return
		}
		<-changed
	}
}

// pause lets the waiting goroutines run after some of the changes, sometimes until they
// wait again.
func pause(change int) {
	switch {
	case change%7 == 0:
		synctest.Wait()
	case change%2 == 0:
		runtime.Gosched()
	}
}

// No change is missed, whatever the order of changes and looks.
func TestNoChangeIsMissed(t *testing.T) {
	const changes, waiters = 2000, 4
	t.Run("notice", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			var mu sync.Mutex
			var notice Notice
			n := 0
			var waiting sync.WaitGroup
			for range waiters {
				waiting.Go(func() {
					follow(changes, func() (int, <-chan struct{}) {
						mu.Lock()
						defer mu.Unlock()
						return n, notice.Changed()
					})
				})
			}
			for i := range changes {
				mu.Lock()
				n++
				notice.Tell()
				mu.Unlock()
				pause(i)
			}
			waiting.Wait()
		})
	})
	t.Run("wake", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			var mu sync.Mutex
			n, wake := 0, NewWake()
			var waiting sync.WaitGroup
			waiting.Go(func() {
				follow(changes, func() (int, <-chan struct{}) {
					mu.Lock()
					defer mu.Unlock()
					return n, wake
				})
			})
			for i := range changes {
				mu.Lock()
				n++
				mu.Unlock()
				wake.Wake()
				pause(i)
			}
			waiting.Wait()
		})
	})
	t.Run("event", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			for range changes {
				var e Event
				var waiting sync.WaitGroup
				for range waiters {
					waiting.Go(func() { <-e.Done() })
				}
				waiting.Go(func() { e.Happen() })
				waiting.Wait()
			}
		})
	})
}

func TestEventHappensOnce(t *testing.T) {
	var e Event
	if e.Happened() {
		t.Error("the zero value has happened")
	}
	before := e.Done()
	if !e.Happen() || e.Happen() {
		t.Error("want the first Happen alone to report true")
	}
	if !e.Happened() {
		t.Error("it has not happened")
	}
	<-before
	<-e.Done()
}

// Wake does not block if the goroutine does not receive, and several calls count as one.
func TestWakesCountAsOne(t *testing.T) {
	w := NewWake()
	for range 3 {
		w.Wake()
	}
	<-w
	select {
	case <-w:
		t.Error("three calls woke twice")
	default:
	}
}
