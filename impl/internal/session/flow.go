package session

import (
	"context"
	"sync"
	"sync/atomic"
	"time"
)

const (
	// maxBacklog is how much a subscription's groups may gather: a handler
	// that is faster than the link waits, however many groups it opens.
	maxBacklog = 1 << 20

	// catchUp is how long it waits for all of that to be on its way, so that
	// what goes out last does go out. From then on some room is enough: what
	// is still there waits for the peer, or for a slow link.
	catchUp = 100 * time.Millisecond
)

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
// written yet, and has their writers wait when it is too much.
type backlog struct {
	bytes atomic.Int64
	full  atomic.Bool // writers wait
	late  atomic.Bool // and have, for long

	mu   sync.Mutex
	less sync.Cond // full no more
}

func (b *backlog) init() { b.less.L = &b.mu }

func (b *backlog) add(n int) {
	if b.bytes.Add(int64(n)) >= maxBacklog {
		b.full.Store(true)
	}
}

// remove is called without the lock of any group.
func (b *backlog) remove(n int) {
	if b.bytes.Add(-int64(n)); b.full.Load() && b.isLess() {
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

// wait returns when more may be gathered, or ctx has ended.
func (b *backlog) wait(ctx context.Context) {
	stop := context.AfterFunc(ctx, func() {
		b.mu.Lock()
		defer b.mu.Unlock()
		b.less.Broadcast()
	})
	defer stop()
	b.mu.Lock()
	defer b.mu.Unlock()
	timer := time.AfterFunc(catchUp, func() {
		b.mu.Lock()
		defer b.mu.Unlock()
		b.late.Store(true)
		b.relieve()
	})
	defer timer.Stop()
	b.relieve()
	for b.full.Load() && ctx.Err() == nil {
		b.less.Wait()
	}
}
