package session

import (
	"time"

	"github.com/moqlite/moqlite/api"
)

// weighDue is called when the groups are to be weighed.
func (s *Session) weighDue() { s.life.spawn(s.weighGroups) }

// weighGroups finds out what the parked groups hold, by reading what has arrived
// of each into memory, and gives up groups while that is more than they may hold.
// It goes on in a while as long as they could hold too much.
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

// toWeigh returns the groups that have gone unread for a while and of which it is
// not known what their streams hold, and how much of each is read: together half
// of what may be unread. A group of which that much has arrived counts as a full
// stream, and its publisher has to wait for the reader.
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

// readParked reads what has arrived of g into memory, until it weighs as much as
// most, and weighs it. A reader that comes meanwhile waits, no longer than eager.
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
	if !g.parked { // it was given up
		g.in.stock = nil
		return
	}
	weight += uint64(cap(g.in.stock) - had)
	if full {
		weight += streamWindow
	}
	u.weigh(g, weight, !full && g.in.stockErr == nil)
}

// awaitWeighed waits until nobody but its reader reads g. The lock is held, but
// not meanwhile.
func (u *unread) awaitWeighed(g *groupReader) {
	for u.weighing == g {
		u.weighed.Wait()
	}
}

// makeRoom gives up groups until the parked ones hold no more than they may. It
// reports false while they do and none has gone unread for long enough.
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
		s.mu.Lock()
		s.dropped++
		s.mu.Unlock()
		g.abort(&api.StreamError{Code: api.StreamTooFarBehind})
	}
}

// victim returns the group to give up when too much is held: of those that have
// gone unread for a while, the oldest that was not handed out, or else the
// oldest, of the holder of most. Who holds no more than an equal share loses
// none. It returns nil and true when all is well, nil and false while there is
// none. The lock is held.
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

// share is what each of those who hold something may hold. The lock is held.
func (u *unread) share() uint64 {
	holders := make(map[holder]struct{})
	for g := u.open; g != nil; g = g.older {
		if g.parked {
			holders[g.of] = struct{}{}
		}
	}
	return u.limit / uint64(max(len(holders), 1))
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
