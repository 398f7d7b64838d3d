package session

import (
	"sync"

	"github.com/moqlite/moqlite/api"
)

// streamWindow is the credit that a stream has pinned while nobody reads it:
// the initial window that the transports are set up with.
const streamWindow = 256 << 10

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
	open  map[*groupReader]struct{}

	datagramsDropped uint64
}

func (u *unread) init(limit uint64) {
	u.limit = limit
	u.open = make(map[*groupReader]struct{})
}

func (u *unread) groups() int {
	u.mu.Lock()
	defer u.mu.Unlock()
	return len(u.open)
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

// park counts g as unread. The lock is held.
func (u *unread) park(g *groupReader) {
	if g.parked || g.finished {
		return
	}
	g.parked = true
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

// victim returns the group to give up when too much is held: the oldest that
// was not handed out, or else the oldest, of the holder of most.
// Nil when all is well. The lock is held.
func (u *unread) victim() *groupReader {
	if u.held <= u.limit {
		return nil
	}
	var fullest holder
	for g := range u.open {
		if fullest == nil || *g.of.holds() > *fullest.holds() {
			fullest = g.of
		}
	}
	var oldest *groupReader
	for g := range u.open {
		switch {
		case g.of != fullest || !g.parked:
		case oldest == nil, oldest.handed && !g.handed, oldest.handed == g.handed && g.seq < oldest.seq:
			oldest = g
		}
	}
	return oldest
}

// makeRoom cancels groups until what is held is within the limit.
func (s *Session) makeRoom() {
	for {
		s.unread.mu.Lock()
		g := s.unread.victim()
		if g != nil {
			g.of.lose(g)
		}
		s.unread.mu.Unlock()
		if g == nil {
			return
		}
		s.mu.Lock()
		s.dropped++
		s.mu.Unlock()
		g.abort(&api.StreamError{Code: api.StreamTooFarBehind})
	}
}
