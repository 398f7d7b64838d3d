package session

import (
	"context"
	"sync"
	"time"
)

// streamWindow is what a stream can hold that nobody reads: the initial window
// that the transports are set up with.
const streamWindow = 512 << 10

// unreadGrace is how long a group may go unread before it can be given up: a
// reader that is busy with a frame, or about to accept a group, is not behind.
const unreadGrace = 250 * time.Millisecond

// weighAgain is how long after the groups were weighed they are weighed again,
// while they could hold more than they may.
const weighAgain = 100 * time.Millisecond

// groupOverhead is what a group costs in memory beside its bytes.
const groupOverhead = 512

// unread bounds what the groups hold that no reader waits for: their bytes in
// memory, and those in the streams, since the windows of all streams come out of
// the connection's. What is in a stream is known when it is read alone. As long
// as all is well even if every stream holds as much as it can, nobody looks;
// else the groups are weighed (weigh.go). The lock guards the queues of all
// subscriptions, so that any of them can make room for another.
type unread struct {
	mu    sync.Mutex
	limit uint64
	held  uint64 // what the parked groups weigh
	wide  uint64 // parked groups whose stream can hold more than they weigh

	open  *groupReader // all that are not finished, the newest first
	count int          // of these

	fetching map[context.Context]*fetching // on behalf of other sessions, by their contexts

	due      *time.Timer  // weighs the groups; nil unless that is due
	weighing *groupReader // whose stream is being read to weigh it
	weighed  sync.Cond    // weighing has changed

	datagramsDropped uint64
}

func (u *unread) groups() int {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.count
}

// A holder is what a group that is being read came for: a subscription, or a
// fetch. Its methods are called with unread.mu held.
type holder interface {
	// holds is what its unread groups hold of the budget.
	holds() *uint64

	// lose gives up a group that nobody has read in time.
	lose(g *groupReader)

	// finished hears that a group was read to its end, or given up.
	finished()
}

// add puts g in, which goes unread from now on. The lock is held.
func (u *unread) add(g *groupReader, now time.Duration) {
	g.older = u.open
	if u.open != nil {
		u.open.newer = g
	}
	u.open = g
	u.count++
	u.park(g, now)
}

// remove takes g out: it is finished. The lock is held.
func (u *unread) remove(g *groupReader) {
	if g.parked && u.weighing != g {
		g.in.stock = nil // its reader asks the stream, which tells why
	}
	u.unpark(g)
	g.finished = true
	if g.newer != nil {
		g.newer.older = g.older
	} else {
		u.open = g.older
	}
	if g.older != nil {
		g.older.newer = g.newer
	}
	g.newer, g.older = nil, nil
	u.count--
}

// park counts g as unread from now on. It is called by g's reader, or before
// there is one. The lock is held.
func (u *unread) park(g *groupReader, now time.Duration) {
	if g.parked || g.finished {
		return
	}
	g.parked, g.parkedAt = true, now
	u.weigh(g, groupOverhead+g.in.inHand(), !g.in.whole())
	if u.due == nil && u.crowded() {
		u.due = time.AfterFunc(weighAgain, g.session.weighDue)
	}
}

// unpark stops counting g. The lock is held.
func (u *unread) unpark(g *groupReader) {
	if !g.parked {
		return
	}
	u.weigh(g, 0, false)
	g.parked = false
}

// weigh sets what g weighs, which is parked, and whether its stream can hold
// more than that. The lock is held.
func (u *unread) weigh(g *groupReader, weight uint64, wide bool) {
	u.held += weight - g.weight
	*g.of.holds() += weight - g.weight
	if g.wide {
		u.wide--
	}
	if wide {
		u.wide++
	}
	g.weight, g.wide = weight, wide
}

// crowded tells whether the parked groups hold more than they may if their
// streams are full. The lock is held.
func (u *unread) crowded() bool { return u.held+u.wide*streamWindow > u.limit }
