package send

import (
	"sync"
	"sync/atomic"
	"time"
)

const (
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
)

// groupOverhead is how many bytes of memory a group is taken to cost beside its data.
const groupOverhead = 512

// A backlog counts the bytes that the groups of one lane have gathered and not
// passed to the transport, plus groupOverhead for each queued group. It blocks the
// writers of the lane while there are too many.
type backlog struct {
	bytes atomic.Int64
	limit atomic.Int64 // the backlog is full from here on
	full  atomic.Bool  // writers have to wait
	late  atomic.Bool  // the wait has timed out: being below maxBacklog ends it

	mu      sync.Mutex
	less    sync.Cond   // signals that full was cleared or a group is over
	waiting int         // writers that wait
	timer   *time.Timer // calls tire; lazily made
	timed   bool        // the timer is running
}

func (b *backlog) init() {
	b.less.L = &b.mu
	b.limit.Store(usualBacklog)
}

func (b *backlog) add(n int) {
	if b.bytes.Add(int64(n)) >= b.limit.Load() {
		b.full.Store(true)
	}
}

// remove subtracts n bytes, and lets the writers go on if that is enough. No
// group's lock is held, since a waiting writer takes that of its group.
func (b *backlog) remove(n int) {
	if n == 0 {
		return
	}
	if b.bytes.Add(-int64(n)) <= 0 && b.limit.Load() != usualBacklog {
		b.limit.Store(usualBacklog)
	}
	if b.full.Load() && b.isLess() {
		b.mu.Lock()
		defer b.mu.Unlock()
		b.relieve()
	}
}

// isLess reports whether waiting writers may go on.
func (b *backlog) isLess() bool {
	bytes := b.bytes.Load()
	return bytes <= 0 || bytes < maxBacklog && b.late.Load()
}

// relieve lets the writers go on if isLess says so. The lock is held.
func (b *backlog) relieve() {
	if b.isLess() {
		b.full.Store(false)
		b.late.Store(false)
		b.less.Broadcast()
	}
}

// tire is called when the writers have waited for the time that the current limit
// allows. It raises the limit to maxBacklog and lets them go on as soon as the
// backlog is below that.
func (b *backlog) tire() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.timed = false
	if b.waiting > 0 {
		b.limit.Store(maxBacklog)
		b.late.Store(true)
		b.relieve()
	}
}

// wait blocks the writer of g until g may gather more or is over.
func (b *backlog) wait(g *Group) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.waiting++
	b.relieve()
	for b.full.Load() && !g.over() {
		b.setTimer()
		b.less.Wait()
	}
	if b.waiting--; b.waiting == 0 && b.timed {
		b.timed = false
		b.timer.Stop()
	}
}

// setTimer starts the timer that ends the wait of the first writer to block. The
// lock is held.
func (b *backlog) setTimer() {
	if b.timed || b.late.Load() {
		return
	}
	b.timed = true
	in := longWait
	if b.limit.Load() == usualBacklog {
		in = shortWait
	}
	if b.timer == nil {
		b.timer = time.AfterFunc(in, b.tire)
	} else {
		b.timer.Reset(in)
	}
}

// groupOver wakes all waiting writers, so that the writer of a group that has just
// ended returns.
func (b *backlog) groupOver() {
	if b.full.Load() {
		b.mu.Lock()
		defer b.mu.Unlock()
		b.less.Broadcast()
	}
}
