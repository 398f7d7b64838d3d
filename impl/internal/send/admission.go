package send

import (
	"sync"
	"sync/atomic"
	"time"
)

const (
	// maxPending is how many bytes a group may have pending before its writer
	// blocks. As much again can be in the write under way. With more, the bytes
	// would leave the processor's cache before they are sent, which costs more
	// than the saved writes gain.
	maxPending = 48 << 10

	// usualBacklog is the first limit of a backlog. Writers that reach it block
	// until the backlog is empty, for at most shortWait: bytes that stay in the
	// processor's cache are sent at the least cost, and a link that keeps up
	// takes them in less time than that.
	usualBacklog = 256 << 10
	shortWait    = 10 * time.Millisecond

	// maxBacklog is the limit after a wait has timed out, until the backlog is
	// empty once. Writers that reach it block until the backlog is empty, for at
	// most longWait, so that the lowest in rank are sent too. After longWait they
	// block only until the backlog is below maxBacklog: the link is slow, or the
	// peer withholds credit.
	maxBacklog = 1 << 20
	longWait   = 100 * time.Millisecond

	// maxQueued is the length of the queue from which a lane that enqueues another
	// group is too fast. Its writers then block, for at most shortWait, until the
	// goroutine that serves the queue has emptied it, finds no slot free, or has to
	// wait for the transport.
	maxQueued = 64

	// countStep is how many bytes a group gathers before it counts them in the
	// backlog; it also counts them when it is submitted. To count each frame would
	// be slow, since the writers of a lane on all processors change one counter.
	countStep = 1 << 10

	// groupOverhead is how many bytes of memory a group is taken to cost beside its
	// data.
	groupOverhead = 512
)

// A hold is a set of reasons for which the writers of a lane block.
type hold = uint32

const (
	tooMuch hold = 1 << iota // the backlog has reached its limit
	tooFast                  // the queue is long, see maxQueued

	anyHold = tooMuch | tooFast
)

// An admission tells the writers of one lane how much they may gather now, and blocks
// them while that is nothing. It counts the lane's backlog: the bytes of payloads that
// its groups have gathered and not passed to the transport, plus groupOverhead for each
// group that is queued or written.
type admission struct {
	bytes   atomic.Int64  // the backlog
	limit   atomic.Int64  // of the backlog: usualBacklog or maxBacklog
	late    atomic.Bool   // a wait has timed out: writers go on below maxBacklog
	holds   atomic.Uint32 // why writers block, a hold
	waiting atomic.Int32  // number of writers that wait; changed while mu is held

	mu      sync.Mutex
	changed sync.Cond   // signals that room may return something else
	timer   *time.Timer // calls timeOut; lazily made
	timed   bool        // the timer is running
}

func (a *admission) init() {
	a.changed.L = &a.mu
	a.limit.Store(usualBacklog)
}

// room returns how many bytes the writer of g may gather now. If that is 0, the writer
// waits until room returns something else. If within is not 0, timeOut is to be called
// after that time, and makes it easier for writers to go on. Of the holds, only those in
// reasons count. mu is held.
func (a *admission) room(g *Group, reasons hold) (room int, within time.Duration) {
	left, over := g.roomLeft()
	held := a.holds.Load() & reasons
	switch {
	case over:
		return maxPending, 0 // the writer will find the error
	case held&tooMuch != 0 && a.late.Load():
		return 0, 0
	case held&tooMuch != 0 && a.limit.Load() == maxBacklog:
		return 0, longWait
	case held != 0:
		return 0, shortWait
	default:
		return left, 0
	}
}

// wait blocks the writer of g until it may gather, and returns how many bytes. No lock
// is held.
func (a *admission) wait(g *Group, reasons hold) (room int) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.waiting.Add(1)
	for {
		a.release()
		room, within := a.room(g, reasons)
		if room > 0 {
			a.stopWaiting()
			return room
		}
		a.setTimer(within)
		a.changed.Wait()
	}
}

// stopWaiting is called when a writer goes on. mu is held.
func (a *admission) stopWaiting() {
	if a.waiting.Add(-1) == 0 && a.timed {
		a.timed = false
		a.timer.Stop()
	}
}

// setTimer starts the timer of timeOut for the first writer that waits. mu is held.
func (a *admission) setTimer(within time.Duration) {
	switch {
	case within == 0 || a.timed:
		return
	case a.timer == nil:
		a.timer = time.AfterFunc(within, a.timeOut)
	default:
		a.timer.Reset(within)
	}
	a.timed = true
}

// timeOut is called by the timer when writers have waited for as long as room has said.
// It ends the hold tooFast. If the hold is tooMuch, it raises the limit to maxBacklog, and
// the writers go on as soon as the backlog is below that.
func (a *admission) timeOut() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.timed = false
	if a.waiting.Load() == 0 {
		return
	}
	if a.holds.And(^tooFast)&tooMuch != 0 {
		a.limit.Store(maxBacklog)
		a.late.Store(true)
		a.release()
	}
	a.changed.Broadcast()
}

// add adds n bytes to the backlog.
func (a *admission) add(n int) {
	if a.bytes.Add(int64(n)) >= a.limit.Load() {
		a.holds.Or(tooMuch)
	}
}

// remove removes n bytes from the backlog, and lets the writers go on if that is enough.
// The caller holds no group's lock: remove takes mu, which comes before it in the order.
func (a *admission) remove(n int) {
	if n == 0 {
		return
	}
	if a.bytes.Add(-int64(n)) <= 0 && a.limit.Load() != usualBacklog {
		a.limit.Store(usualBacklog)
	}
	if a.holds.Load()&tooMuch != 0 && a.isLess() {
		a.mu.Lock()
		defer a.mu.Unlock()
		a.release()
	}
}

// isLess reports whether the backlog blocks writers no longer.
func (a *admission) isLess() bool {
	bytes := a.bytes.Load()
	return bytes <= 0 || bytes < maxBacklog && a.late.Load()
}

// release ends the hold tooMuch if isLess says so. mu is held.
func (a *admission) release() {
	if a.holds.Load()&tooMuch != 0 && a.isLess() {
		a.holds.And(^tooMuch)
		a.late.Store(false)
		a.changed.Broadcast()
	}
}

// slowDown begins the hold tooFast, which caughtUp ends, or timeOut.
func (a *admission) slowDown() { a.holds.Or(tooFast) }

func (a *admission) caughtUp() {
	a.holds.And(^tooFast)
	a.wake()
}

// wake lets the writers that wait look again: the pending bytes of a group were taken,
// or a group is over. The caller holds no group's lock, see remove.
func (a *admission) wake() {
	if a.waiting.Load() > 0 {
		a.mu.Lock()
		defer a.mu.Unlock()
		a.changed.Broadcast()
	}
}
