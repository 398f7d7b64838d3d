package receive

import "time"

// weighAgain is how long after a budget could first be exceeded the parked groups are
// weighed, how long from one weighing to the next, and how long a group has to be parked
// before it is weighed.
const weighAgain = 100 * time.Millisecond

// smallGroup is how much of a group is read into memory even if the server's budget is
// exceeded: groups of which more has arrived then count as full streams.
const smallGroup = streamWindow / 8

// check schedules weighGroups if the parked groups could exceed the budget, and calls the
// check of the server's budget. It may be called with a holder's lock held.
func (b *Budget) check() {
	most := b.most()
	if most > b.limit && b.due.CompareAndSwap(false, true) {
		time.AfterFunc(weighAgain, func() { b.host.Spawn(b.weighGroups) })
	}
	if b.server != nil {
		b.server.check(most)
	}
}

// weighNow starts weighGroups, unless it is due or runs.
func (b *Budget) weighNow() {
	if b.due.CompareAndSwap(false, true) {
		b.host.Spawn(b.weighGroups)
	}
}

// weighGroups finds out how much the parked groups hold, by reading what has arrived of
// each into memory, and drops groups while the budget is exceeded.
func (b *Budget) weighGroups() {
	groups, most := b.toWeigh()
	for _, g := range groups {
		if !b.makeRoom() {
			break
		}
		g.share.weighGroup(g, most)
	}
	b.makeRoom()
	b.due.Store(false)
	b.check()
}

// toWeigh returns the groups that have been parked for weighAgain and whose streams may
// hold an unknown amount. most is how much of each may be read into memory: for all
// together half of the budget, or half of the session's share of the server's if that is
// less, but no less than smallGroup for each. A group of which that much has arrived is
// counted as a full stream; flow control then makes its publisher wait for the reader.
func (b *Budget) toWeigh() (groups []*Group, most uint64) {
	now := b.now()
	for _, s := range b.all() {
		groups = s.toWeigh(groups, now)
	}
	count := uint64(max(b.wide.Load(), 1))
	most = b.limit / 2 / count
	if b.server != nil {
		most = min(most, max(b.server.share.Load()/2/count, smallGroup))
	}
	return groups, max(most, middleBuffer)
}

// toWeigh appends the groups of the share that are to be weighed.
func (s *Share) toWeigh(groups []*Group, now time.Duration) []*Group {
	s.mu.Lock()
	defer s.mu.Unlock()
	for g := s.newest; g != nil; g = g.older {
		if g.wide && now-g.parkedAt >= weighAgain {
			groups = append(groups, g)
		}
	}
	return groups
}

// weighGroup reads what has arrived of g into memory, until its weight is most, and updates
// its weight. A reader of the group that comes meanwhile waits until nothing more arrives
// for arrivalWait, or that much has arrived.
func (s *Share) weighGroup(g *Group, most uint64) {
	s.mu.Lock()
	if g.state != parked {
		s.mu.Unlock()
		return
	}
	g.weighing = true
	weight, had := g.weight, cap(g.in.stock)
	s.mu.Unlock()
	full := weight >= most || g.in.stockUp(most-weight)
	s.mu.Lock()
	defer s.mu.Unlock()
	g.weighing = false
	s.weighed.Broadcast()
	if g.state != parked { // it was dropped or cancelled
		g.in.discardStock()
		return
	}
	weight += uint64(cap(g.in.stock) - had)
	if full {
		weight += streamWindow
	}
	s.weigh(g, weight, !full && g.in.stockErr == nil)
}
