package session

import (
	"sync"
	"sync/atomic"
	"time"
)

const (
	// usualBacklog is how much a flow's groups gather until their writers wait
	// for all of it to be on its way, for a short time: what stays in the
	// processor's cache is sent at the least cost, and a link that keeps up takes
	// it in less.
	usualBacklog = 256 << 10
	shortWait    = 10 * time.Millisecond

	// maxBacklog is how much they may gather where that was too short, until all
	// is on its way: the writers then wait again, however many groups there are.
	// They do for longWait, so that what goes out last does go out. From then on
	// some room is enough: what is still there waits for the peer, or for a slow
	// link.
	maxBacklog = 1 << 20
	longWait   = 100 * time.Millisecond
)

// A backlog counts what the groups of a flow have gathered and not written yet,
// and has their writers wait when it is too much.
type backlog struct {
	bytes atomic.Int64
	limit atomic.Int64 // at which it is full
	full  atomic.Bool  // writers wait
	late  atomic.Bool  // and have, for long

	mu      sync.Mutex
	less    sync.Cond // full no more, or a group is over
	waiting int
	timer   *time.Timer // makes it late; made at first
	timed   bool        // the timer is set
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

// remove is called without the lock of any group.
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

func (b *backlog) isLess() bool {
	bytes := b.bytes.Load()
	return bytes <= 0 || bytes < maxBacklog && b.late.Load()
}

// relieve lets writers go on if the backlog is small enough. The lock is held.
func (b *backlog) relieve() {
	if b.isLess() {
		b.full.Store(false)
		b.late.Store(false)
		b.less.Broadcast()
	}
}

// tire has those who wait be content with some room, and lets them use it.
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

// wait returns when g may gather more, or is over.
func (b *backlog) wait(g *groupWriter) {
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

// setTimer has who waits longest get tired in time. The lock is held.
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

// groupOver has the writers of a group that is over wait no more.
func (b *backlog) groupOver() {
	if b.full.Load() {
		b.mu.Lock()
		defer b.mu.Unlock()
		b.less.Broadcast()
	}
}
