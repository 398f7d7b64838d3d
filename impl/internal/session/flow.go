package session

import (
	"sync"
	"sync/atomic"
)

// maxBacklog is how much a subscription's groups may gather: a handler that is
// faster than the link waits, however many groups it opens.
const maxBacklog = 1 << 20

// A flow is what egress knows of a subscription, or a fetch, that is served.
type flow struct {
	session *Session
	lane    lane // guarded by egress.mu
	backlog backlog
}

func (f *flow) init(s *Session, subscriber, track uint8) {
	f.session = s
	f.lane = lane{subscriber: subscriber, track: track}
	f.backlog.init()
}

// A backlog counts what the groups of a flow have gathered and not
// written yet, and has their writers wait while it is too much.
type backlog struct {
	bytes   atomic.Int64
	waiting atomic.Int64
	mu      sync.Mutex
	less    sync.Cond
}

func (b *backlog) init() { b.less.L = &b.mu }

func (b *backlog) add(n int) { b.bytes.Add(int64(n)) }

// remove is called without the lock of any group.
func (b *backlog) remove(n int) {
	b.bytes.Add(-int64(n))
	if b.waiting.Load() > 0 {
		b.mu.Lock()
		b.less.Broadcast()
		b.mu.Unlock()
	}
}

// wait returns when the backlog is small enough for g to add to it, or g is
// over.
func (b *backlog) wait(g *groupWriter) {
	if b.bytes.Load() < maxBacklog {
		return
	}
	b.waiting.Add(1)
	defer b.waiting.Add(-1)
	b.mu.Lock()
	defer b.mu.Unlock()
	for b.bytes.Load() >= maxBacklog && !g.over() {
		b.less.Wait()
	}
}
