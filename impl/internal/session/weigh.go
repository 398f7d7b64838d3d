package session

import (
	"time"

	"github.com/moqlite/moqlite/api"
)

// weighDue is called by the timer unread.due.
func (s *Session) weighDue() { s.life.spawn(s.weighGroups) }

// weighGroups finds out how much the parked groups hold, by reading what has arrived
// of each into memory, and drops groups while the budget is exceeded. It sets the
// timer again as long as the streams of the parked groups could exceed the budget.
func (s *Session) weighGroups() {
	u := &s.unread
	groups, most := u.toWeigh(s.clock())
	for _, g := range groups {
		if s.life.isOver() || !s.makeRoom() {
			break
		}
		u.readParked(g, most)
	}
	s.makeRoom()
	u.mu.Lock()
	defer u.mu.Unlock()
	u.due = nil
	if u.crowded() {
		u.due = time.AfterFunc(weighAgain, s.weighDue)
	}
}

// toWeigh returns the groups that have been parked for weighAgain and whose streams
// may hold an unknown amount. most is how much of each to read into memory: all
// together, half of the budget. A group of which that much has arrived is counted as
// a full stream; flow control then makes its publisher wait for the reader.
func (u *unread) toWeigh(now time.Duration) (groups []*groupReader, most uint64) {
	u.mu.Lock()
	defer u.mu.Unlock()
	for g := u.open; g != nil; g = g.older {
		if g.wide && now-g.parkedAt >= weighAgain {
			groups = append(groups, g)
		}
	}
	return groups, max(u.limit/2/max(u.wide, 1), readAhead)
}

// readParked reads what has arrived of g into memory, until its weight is most, and
// updates its weight. A reader of the group that comes meanwhile waits until nothing
// more arrives for eager, or that much has arrived (see awaitWeighed).
func (u *unread) readParked(g *groupReader, most uint64) {
	u.mu.Lock()
	if !g.parked {
		u.mu.Unlock()
		return
	}
	u.weighing = g
	weight, had := g.weight, cap(g.in.stock)
	u.mu.Unlock()
	full := weight >= most || g.in.stockUp(most-weight)
	u.mu.Lock()
	defer u.mu.Unlock()
	u.weighing = nil
	u.weighed.Broadcast()
	if !g.parked { // it was dropped or cancelled
		g.in.stock = nil
		return
	}
	weight += uint64(cap(g.in.stock) - had)
	if full {
		weight += streamWindow
	}
	u.weigh(g, weight, !full && g.in.stockErr == nil)
}

// awaitWeighed blocks the reader of g while readParked reads g. The lock is held, and
// released during the wait.
func (u *unread) awaitWeighed(g *groupReader) {
	for u.weighing == g {
		u.weighed.Wait()
	}
}

// makeRoom drops parked groups until the rest are within the budget. It reports
// false if they still exceed it and no group may be dropped yet.
func (s *Session) makeRoom() bool {
	u := &s.unread
	for {
		u.mu.Lock()
		g, ok := u.victim()
		if g != nil {
			g.of.lose(g)
		}
		u.mu.Unlock()
		if g == nil {
			return ok
		}
		s.drop(g)
	}
}

// drop cancels a group that its holder has lost because it was not read in time, and
// counts it.
func (s *Session) drop(g *groupReader) {
	s.mu.Lock()
	s.dropped++
	s.mu.Unlock()
	g.abort(&api.StreamError{Code: api.StreamTooFarBehind})
}

// victim returns the group to drop when the budget is exceeded. It is chosen among
// the groups that have been parked for unreadGrace and whose holder has more than an
// equal share of the budget: of the holder that has most, the oldest group that
// AcceptGroup has not returned yet, or else the oldest. victim returns nil and true
// within the budget, nil and false while no group qualifies. The lock is held.
func (u *unread) victim() (g *groupReader, ok bool) {
	if u.held <= u.limit {
		return nil, true
	}
	share := u.share()
	for other := u.open; other != nil; other = other.older {
		if !other.parked || other.session.clock()-other.parkedAt < unreadGrace || *other.of.holds() <= share {
			continue
		}
		if g == nil || other.goesBefore(g) {
			g = other
		}
	}
	return g, false
}

// share is the budget divided by the number of holders of parked groups. The lock is
// held.
func (u *unread) share() uint64 {
	holders := make(map[holder]struct{})
	for g := u.open; g != nil; g = g.older {
		if g.parked {
			holders[g.of] = struct{}{}
		}
	}
	return u.limit / uint64(max(len(holders), 1))
}

// goesBefore reports whether g is dropped rather than other.
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
