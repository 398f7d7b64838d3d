package session

import (
	"context"
	"sync"
	"time"
)

// streamWindow is how many bytes of a stream can arrive unread: the initial flow
// control window that the transports are set up with.
const streamWindow = 512 << 10

// unreadGrace is how long a group may be parked before it may be dropped: a reader
// that is busy with a frame, or about to accept a group, is not behind.
const unreadGrace = 250 * time.Millisecond

// weighAgain is how long after a weighing the parked groups are weighed again, while
// they could exceed the budget.
const weighAgain = 100 * time.Millisecond

// groupOverhead is how many bytes of memory a group is taken to cost beside its data.
const groupOverhead = 512

// unread is the session's budget for parked groups: received groups that no reader
// waits for. It covers their bytes in memory and those in their streams, since the
// windows of all streams are part of the connection's window.
//
// How much has arrived on a stream is only known by reading it. As long as the budget
// would hold even if every stream were full, nothing is done; otherwise the groups are
// weighed (weigh.go). The lock guards the queues of all subscriptions too, so that a
// group of one can be dropped to make room for another.
type unread struct {
	mu    sync.Mutex
	limit uint64 // the budget in bytes
	held  uint64 // the weights of the parked groups together
	wide  uint64 // number of parked groups whose streams can hold more than their weight

	open  *groupReader // list of the groups that are not finished, the newest first
	count int          // its length

	fetching map[context.Context]*fetching // fetches for other sessions, by the contexts of these

	due      *time.Timer  // calls weighDue; nil while no weighing is due or under way
	weighing *groupReader // the group that readParked reads; nil for none
	weighed  sync.Cond    // signals that weighing has changed

	datagramsDropped uint64
}

func (u *unread) groups() int {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.count
}

// A holder is the subscription or fetch that a received group belongs to. Its methods
// are called with unread.mu held.
type holder interface {
	// holds points to the weights of the holder's parked groups together.
	holds() *uint64

	// lose is called when g is dropped because it was not read in time.
	lose(g *groupReader)

	// finished is called when a group was read to its end, cancelled or dropped.
	finished()
}

// add adds g and parks it. The lock is held.
func (u *unread) add(g *groupReader, now time.Duration) {
	g.older = u.open
	if u.open != nil {
		u.open.newer = g
	}
	u.open = g
	u.count++
	u.park(g, now)
}

// remove removes g, which is finished. The lock is held.
func (u *unread) remove(g *groupReader) {
	if g.parked && u.weighing != g {
		g.in.stock = nil // its reader then gets the stream's error
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

// park counts g in the budget from now on. It is called by g's reader, or before g
// has one. The lock is held.
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

// unpark stops counting g in the budget. The lock is held.
func (u *unread) unpark(g *groupReader) {
	if !g.parked {
		return
	}
	u.weigh(g, 0, false)
	g.parked = false
}

// weigh sets the weight of a parked group: how many bytes of the budget it counts
// for. wide says that its stream can hold more than that. The lock is held.
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

// crowded reports whether the parked groups exceed the budget if their streams are
// full. The lock is held.
func (u *unread) crowded() bool { return u.held+u.wide*streamWindow > u.limit }
