package session

import (
	"sync"
	"time"

	"github.com/moqlite/moqlite/api"
)

// streamWindow is the credit that a stream has pinned while nobody reads it:
// the initial window that the transports are set up with.
const streamWindow = 512 << 10

// unreadGrace is how long a group may go unread before it can be given up: a
// reader that is busy with a frame, or about to accept a group, is not behind.
const unreadGrace = 250 * time.Millisecond

// groupOverhead is what a group costs in memory beside its bytes.
const groupOverhead = 512

// unread bounds what the groups hold that no reader waits for: in memory those
// that are here whole, and else the stream window that they pin, since the
// windows of all streams come out of the connection's. Its lock guards the
// queues of all subscriptions, so that any of them can make room for another.
type unread struct {
	mu    sync.Mutex
	limit uint64
	held  uint64
	open  *groupReader // all that are not finished, the newest first
	count int          // of these
	later *time.Timer  // makes room; nil unless that is due

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

// park counts g as unread from now on. The lock is held.
func (u *unread) park(g *groupReader, now time.Duration) {
	if g.parked || g.finished {
		return
	}
	g.parked, g.parkedAt = true, now
	u.held += g.weight
	*g.of.holds() += g.weight
}

// unpark stops counting g. The lock is held.
func (u *unread) unpark(g *groupReader) {
	if !g.parked {
		return
	}
	g.parked = false
	u.held -= g.weight
	*g.of.holds() -= g.weight
}

// crowded tells whether too much is held. The lock is held.
func (u *unread) crowded() bool { return u.held > u.limit }

// victim returns the group to give up when too much is held: of those that have
// gone unread for a while, the oldest that was not handed out, or else the
// oldest, of the holder of most. While there is none it returns how long to
// wait; nil and 0 when all is well. The lock is held.
func (u *unread) victim() (g *groupReader, wait time.Duration) {
	if !u.crowded() {
		return nil, 0
	}
	wait = unreadGrace
	for other := u.open; other != nil; other = other.older {
		if !other.parked {
			continue
		}
		if left := unreadGrace - (other.session.clock() - other.parkedAt); left > 0 {
			wait = min(wait, left)
		} else if g == nil || other.goesBefore(g) {
			g = other
		}
	}
	return g, wait
}

// goesBefore tells whether g is given up before other.
func (g *groupReader) goesBefore(other *groupReader) bool {
	switch {
	case g.of != other.of:
		return *g.of.holds() > *other.of.holds()
	case g.handed != other.handed:
		return !g.handed
	default:
		return g.seq < other.seq
	}
}

// makeRoom cancels groups until what is held is within the limit, now or in a
// while.
func (s *Session) makeRoom() {
	u := &s.unread
	for {
		u.mu.Lock()
		if u.later != nil {
			u.mu.Unlock()
			return
		}
		g, wait := u.victim()
		switch {
		case g != nil:
			g.of.lose(g)
		case wait > 0:
			u.later = time.AfterFunc(wait, s.makeRoomLater)
		}
		u.mu.Unlock()
		if g == nil {
			return
		}
		s.mu.Lock()
		s.dropped++
		s.mu.Unlock()
		g.abort(&api.StreamError{Code: api.StreamTooFarBehind})
	}
}

func (s *Session) makeRoomLater() {
	s.unread.mu.Lock()
	s.unread.later = nil
	s.unread.mu.Unlock()
	if !s.isOver() {
		s.makeRoom()
	}
}
