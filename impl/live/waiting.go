package live

import (
	"slices"

	"github.com/moqlite/moqlite/api"
	"github.com/moqlite/moqlite/impl/internal/age"
	"github.com/moqlite/moqlite/impl/internal/numbers"
)

// chooseStart finds where to start: StartGroup n is group n, [api.GroupLatest] the
// newest that is held, and 0 the oldest that is held and not too old. While the
// track holds nothing, the latter two are the first group that comes. The
// track's lock is held.
func (s *subscription) chooseStart(c api.SubscribeConfig) {
	s.setConfig(c)
	if s.edge = c.StartGroup == api.GroupLatest; !s.edge {
		s.start, s.numbered = c.StartGroup, c.StartGroup > 0
	} else if newest := s.track.cache.last(); newest != nil {
		s.start = newest.seq
	}
	s.enqueueHeld()
}

// beginAt is called before a number is passed to w. The first one is where a
// subscriber begins that wants the newest group: w counts from there too. It
// reports false if w has begun above that number meanwhile. writing is held.
func (s *subscription) beginAt(seq api.GroupSequence) bool {
	if !s.edge {
		return seq >= s.start
	}
	s.track.mu.Lock()
	defer s.track.mu.Unlock()
	s.start, s.numbered, s.edge = seq, true, false
	s.dequeueUnwanted()
	s.addTrackGaps()
	s.awake.Wake() // the gaps are to be reported
	return true
}

// setConfig sets what the subscriber wants. The track's lock is held.
func (s *subscription) setConfig(c api.SubscribeConfig) {
	s.config = c
	s.rule = age.NewRule(c.MaxLatency, s.track.info.MaxLatency, s.track.info.Timescale)
}

// applyUpdate applies a change of the subscriber's config. [api.GroupLatest] leaves
// the start where it is.
func (s *subscription) applyUpdate(c api.SubscribeConfig) {
	s.writing.Lock()
	defer s.writing.Unlock()
	t := s.track
	t.mu.Lock()
	defer t.mu.Unlock()
	s.setConfig(c)
	if c.StartGroup != api.GroupLatest {
		s.start, s.numbered, s.edge = c.StartGroup, c.StartGroup > 0, false
	}
	s.dequeueUnwanted()
	s.enqueueHeld()
	t.demand.Tell()
}

// enqueueHeld adds to waiting the groups that are held, wanted, and not offered
// before. Unless the start is a number, groups that are too old are not wanted.
// The track's lock is held.
func (s *subscription) enqueueHeld() {
	c := &s.track.cache
	first, _ := c.find(s.start)
	if !s.numbered {
		first = max(first, c.firstFresh(s.rule))
	}
	if first < len(c.groups) {
		for _, hole := range s.done.Missing(c.groups[first].seq, s.track.next) {
			s.enqueueSpan(hole)
		}
	}
	s.addTrackGaps()
}

// enqueueSpan adds the groups of a range that are held to waiting. The track's
// lock is held.
func (s *subscription) enqueueSpan(run numbers.Span) {
	for _, g := range s.track.cache.from(run.Start) {
		if g.seq >= run.End {
			break
		}
		s.enqueue(g)
	}
}

// dequeueUnwanted removes the groups that are no longer wanted from waiting, for
// which a writer may wait. The track's lock is held.
func (s *subscription) dequeueUnwanted() {
	defer s.track.room.Tell()
	s.waiting = slices.DeleteFunc(s.waiting, func(g *group) bool {
		unwanted := g.seq < s.start
		if unwanted {
			s.done.RemoveSpan(g.seq, g.seq+1)
		}
		return unwanted
	})
}

// offerGroup adds a new group to waiting, if it is wanted. The track's lock is
// held.
func (s *subscription) offerGroup(g *group) {
	if g.seq >= s.start {
		s.dropStale()
		s.enqueue(g)
	}
	s.awake.Wake()
}

// enqueue adds a group to waiting, unless it was offered or lost before. The
// track's lock is held.
func (s *subscription) enqueue(g *group) {
	if !s.takeNumber(g.seq) {
		return
	}
	i := len(s.waiting)
	for i > 0 && s.waiting[i-1].seq > g.seq {
		i--
	}
	s.waiting = slices.Insert(s.waiting, i, g)
}

// dropStale removes the first waiting groups as far as they were evicted or have
// become too old. The track's lock is held.
func (s *subscription) dropStale() {
	n := 0
	for n < len(s.waiting) && s.isStale(s.waiting[n]) {
		n++
	}
	for _, g := range s.waiting[:n] {
		code := api.StreamOld
		if g.evicted {
			code = api.StreamEvicted
		}
		s.done.RemoveSpan(g.seq, g.seq+1)
		s.addGap(api.Gap{Start: g.seq, End: g.seq + 1, Err: &api.StreamError{Code: code}})
	}
	if n > 0 {
		s.track.room.Tell()
	}
	clear(s.waiting[:n])
	s.waiting = s.waiting[n:]
}

// isStale reports whether a waiting group can only be reported as lost.
func (s *subscription) isStale(g *group) bool {
	return g.evicted || s.track.cache.tooOld(g, s.rule)
}
