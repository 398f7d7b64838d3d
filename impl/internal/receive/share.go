package receive

import (
	"sync"
	"time"

	"github.com/moqlite/moqlite/api"
)

// groupOverhead is how many bytes of memory a group is taken to cost beside its data.
const groupOverhead = 512

// A Share is what the groups of one holder hold of a budget. The holder's lock guards it.
type Share struct {
	budget *Budget
	holder Holder
	mu     *sync.Mutex // the holder's

	newest  *Group    // list of the groups that are not finished
	count   int       // its length
	held    uint64    // the weights of the parked groups together
	weighed sync.Cond // signals that a group is no longer weighed
	joined  bool      // the budget has the share
	over    bool      // no more groups are added
}

// Init sets up the share of h, whose lock is mu, in b. It is called before any other
// method.
func (s *Share) Init(b *Budget, h Holder, mu *sync.Mutex) {
	s.budget, s.holder, s.mu = b, h, mu
	s.weighed.L = mu
}

// End notes that no more groups are added. Those that the share has stay. The holder's
// lock is held.
func (s *Share) End() {
	s.over = true
	s.leaveBudget()
}

// leaveBudget removes the share from the budget if it has no groups and gets no more. The
// holder's lock is held.
func (s *Share) leaveBudget() {
	if s.over && s.joined && s.count == 0 {
		s.joined = false
		s.budget.forget(s)
	}
}

// Len returns the number of groups that are not finished. The holder's lock is held.
func (s *Share) Len() int { return s.count }

// Groups returns the groups that are not finished. The holder's lock is held.
func (s *Share) Groups() []*Group {
	groups := make([]*Group, 0, s.count)
	for g := s.newest; g != nil; g = g.older {
		groups = append(groups, g)
	}
	return groups
}

// Add adds g and parks it, at time now. The holder's lock is held.
func (s *Share) Add(g *Group, now time.Duration) {
	if !s.joined {
		s.joined = true
		s.budget.join(s)
	}
	g.share = s
	g.older = s.newest
	if s.newest != nil {
		s.newest.newer = g
	}
	s.newest = g
	s.count++
	s.budget.open.Add(1)
	s.parkAt(g, now)
}

// Remove finishes g, which the application does not have: its holder gives it up, so that
// Lose is not called. The holder's lock is held. The caller then cancels the stream, or
// calls [Group.Dropped] after unlocking.
func (s *Share) Remove(g *Group) { s.removeGroup(g) }

// removeGroup finishes g. It reports false if g was finished already. The holder's lock is
// held.
func (s *Share) removeGroup(g *Group) (first bool) {
	if g.state == finished {
		return false
	}
	if g.state == parked {
		if !g.weighing {
			g.in.discardStock()
		}
		s.weigh(g, 0, false)
	}
	g.state = finished
	if g.newer != nil {
		g.newer.older = g.older
	} else {
		s.newest = g.older
	}
	if g.older != nil {
		g.older.newer = g.newer
	}
	g.newer, g.older = nil, nil
	s.count--
	s.budget.open.Add(-1)
	s.leaveBudget()
	return true
}

// drop finishes g, which was not read in time, unless it is being read after all or
// finished.
func (s *Share) drop(g *Group) {
	var why error = &api.StreamError{Code: api.StreamTooFarBehind}
	s.mu.Lock()
	lost := g.state == parked && g.aborted.CompareAndSwap(nil, &why)
	if lost {
		s.removeGroup(g)
		s.holder.Lose(g)
	}
	s.mu.Unlock()
	if lost {
		g.Dropped()
	}
}

// Dropped cancels a group that [Share.Remove] has removed because it was not read in time,
// and counts it. No lock is held.
func (g *Group) Dropped() {
	g.budget.dropped.Add(1)
	g.in.Cancel(api.StreamTooFarBehind)
	g.tellFinished()
}

// park parks g, when its reader stops waiting for the stream.
func (s *Share) park(g *Group) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if g.state == read {
		s.parkAt(g, s.budget.now())
	}
}

// parkAt parks g, at time now. The holder's lock is held.
func (s *Share) parkAt(g *Group, now time.Duration) {
	g.state, g.parkedAt = parked, now
	s.weigh(g, groupOverhead+g.in.inHand(), !g.in.whole())
	s.budget.check()
}

// unpark lets the reader of g wait for the stream. It blocks while g is weighed.
func (s *Share) unpark(g *Group) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for g.weighing {
		s.weighed.Wait()
	}
	if g.state == parked {
		s.weigh(g, 0, false)
		g.state = read
	}
}

// weigh sets the weight of a parked group: how many bytes of the budget it counts for.
// wide says that its stream can hold more than that. The holder's lock is held.
func (s *Share) weigh(g *Group, weight uint64, wide bool) {
	s.held += weight - g.weight
	s.budget.held.Add(weight - g.weight)
	switch {
	case wide && !g.wide:
		s.budget.wide.Add(1)
	case g.wide && !wide:
		s.budget.wide.Add(-1)
	}
	g.weight, g.wide = weight, wide
}
