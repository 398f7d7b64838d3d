package session

import (
	"sync"
	"sync/atomic"
	"time"
)

const (
	// usualBacklog is how much a subscription's groups gather until a handler
	// that is faster than the link waits for all of it to be on its way, for a
	// moment: what stays in the processor's cache is sent at the least cost, and
	// a link that keeps up takes it in less.
	usualBacklog = 256 << 10
	moment       = 10 * time.Millisecond

	// maxBacklog is how much they may gather where that was too short, until
	// all is on its way: the handler then waits again, however many groups it
	// opens. It does for catchUp, so that what goes out last does go out. From
	// then on some room is enough: what is still there waits for the peer, or
	// for a slow link.
	maxBacklog = 1 << 20
	catchUp    = 100 * time.Millisecond
)

// A flow is what egress knows of a subscription, or a fetch, that is served.
type flow struct {
	session *Session
	egress  *egress
	lane    lane // guarded by egress.mu
	backlog backlog
}

func (f *flow) init(s *Session, control *stream, subscriber, track uint8) {
	f.session, f.egress = s, s.sending(control)
	f.lane = lane{subscriber: subscriber, track: track}
	f.backlog.init()
}

// A backlog counts what the groups of a flow have gathered and not
// written yet, and has their writers wait when it is too much.
type backlog struct {
	bytes atomic.Int64
	limit atomic.Int64 // at which it is full
	full  atomic.Bool  // writers wait
	late  atomic.Bool  // and have, for long

	mu      sync.Mutex
	less    sync.Cond // full no more, or a group is over
	waiting int
	timer   *time.Timer // makes it late; made at first
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

// tire has writers wait for some room alone, and lets them use it.
func (b *backlog) tire() {
	b.mu.Lock()
	defer b.mu.Unlock()
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
	b.watch()
	b.relieve()
	for b.full.Load() && !g.over() {
		b.less.Wait()
	}
	if b.waiting--; b.waiting == 0 {
		b.timer.Stop()
	}
}

// watch has those who wait get tired. The lock is held.
func (b *backlog) watch() {
	in := catchUp
	if b.limit.Load() == usualBacklog {
		in = moment
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
