package receive

import (
	"math"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// A ServerBudget bounds what the sessions of a server hold together. Each has a [Budget]
// of its own too.
//
// As long as no session could hold more than an equal part of the limit, all are within
// it, and nothing is done. Otherwise the sessions are looked at every weighAgain. If
// together they could exceed the limit, those that could hold more than their share weigh
// their groups; if they do exceed it, those that hold more than their share drop groups
// until they do not, or all are within the limit. The share is the limit divided by the
// number of sessions that hold something.
type ServerBudget struct {
	limit uint64
	part  atomic.Uint64 // the limit divided by the number of sessions
	share atomic.Uint64 // what a session may read into memory to weigh its groups
	due   atomic.Bool   // look is due

	mu       sync.Mutex
	sessions []*Budget
}

// NewServerBudget returns the budget of a server whose sessions may hold bytes together.
func NewServerBudget(bytes uint64) *ServerBudget {
	t := &ServerBudget{limit: bytes}
	t.part.Store(bytes)
	t.share.Store(unbounded)
	return t
}

// join adds a session. The part of the others becomes smaller, so these are looked at.
func (t *ServerBudget) join(b *Budget) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.sessions = append(t.sessions, b)
	t.part.Store(t.limit / uint64(len(t.sessions)))
	if b.limit > t.part.Load() {
		t.check(unbounded)
	}
}

// leave removes a session that has ended.
func (t *ServerBudget) leave(b *Budget) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if i := slices.Index(t.sessions, b); i >= 0 {
		t.sessions = slices.Delete(t.sessions, i, i+1)
		t.part.Store(t.limit / uint64(max(len(t.sessions), 1)))
	}
}

// check schedules look if a session could hold most, and that is more than its part. It may
// be called with locks held.
func (t *ServerBudget) check(most uint64) {
	if most > t.part.Load() && t.due.CompareAndSwap(false, true) {
		time.AfterFunc(weighAgain, t.look)
	}
}

// look makes sessions weigh their groups if all together could exceed the limit. It is
// called by a timer, weighAgain after check.
func (t *ServerBudget) look() {
	t.due.Store(false) // first: what grows from now on may be missed below
	t.mu.Lock()
	sessions := slices.Clone(t.sessions)
	t.mu.Unlock()
	var total, most, holders uint64
	for _, b := range sessions {
		could := b.most()
		total, most = total+could, max(most, could)
		holders += min(could, 1)
	}
	share := uint64(unbounded)
	if total > t.limit {
		share = t.limit / holders
	}
	t.share.Store(share)
	for _, b := range sessions {
		if b.most() > share {
			b.weighNow()
		}
	}
	t.check(most)
}

// unbounded is more than any session can hold.
const unbounded = math.MaxUint64

// allows returns how much a session that holds held may hold: its share, if all together
// exceed the limit and it holds more.
func (t *ServerBudget) allows(held uint64) uint64 {
	if held <= t.part.Load() {
		return unbounded
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	var total, holders uint64
	for _, b := range t.sessions {
		n := b.held.Load()
		total += n
		holders += min(n, 1)
	}
	if total <= t.limit {
		return unbounded
	}
	return t.limit / holders
}
