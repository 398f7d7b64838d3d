package live

import (
	"slices"

	"github.com/moqlite/moqlite/api"
	"github.com/moqlite/moqlite/impl/internal/age"
	"github.com/moqlite/moqlite/impl/internal/numbers"
)

// begin finds where to start: StartGroup n is group n, [api.GroupLatest] the
// newest that is held, and 0 the oldest that is held and not too old. While the
// track holds nothing, the latter two are the first group that comes. The
// track's lock is held.
func (s *subscription) begin(c api.SubscribeConfig) {
	s.configure(c)
	newest := s.track.cache.last()
	switch {
	case c.StartGroup == api.GroupLatest && newest != nil:
		s.start, s.numbered = newest.seq, true
	case c.StartGroup != api.GroupLatest:
		s.start, s.numbered = c.StartGroup, c.StartGroup > 0
	}
	s.queue()
}

// configure sets what the subscriber wants. The track's lock is held.
func (s *subscription) configure(c api.SubscribeConfig) {
	s.config = c
	s.rule = age.NewRule(c.MaxLatency, s.track.info.MaxLatency, s.track.info.Timescale)
}

// update applies a change of the subscriber's config. [api.GroupLatest] leaves
// the start where it is.
func (s *subscription) update(c api.SubscribeConfig) {
	t := s.track
	t.mu.Lock()
	defer t.mu.Unlock()
	s.configure(c)
	if c.StartGroup != api.GroupLatest {
		s.start, s.numbered = c.StartGroup, c.StartGroup > 0
	}
	s.unqueue()
	s.queue()
	t.demand.Tell()
}

// queue adds to waiting the groups that are held, wanted, and not offered
// before. Unless the start is a number, groups that are too old are not wanted.
// The track's lock is held.
func (s *subscription) queue() {
	c := &s.track.cache
	first, _ := c.find(s.start)
	if !s.numbered {
		first = max(first, c.firstFresh(s.rule))
	}
	if first < len(c.groups) {
		for _, hole := range s.done.Missing(c.groups[first].seq, s.track.next) {
			s.enqueueAll(hole)
		}
	}
	s.loseKnown()
}

// enqueueAll adds the groups of a range that are held to waiting. The track's
// lock is held.
func (s *subscription) enqueueAll(run numbers.Span) {
	for _, g := range s.track.cache.from(run.Start) {
		if g.seq >= run.End {
			break
		}
		s.enqueue(g)
	}
}

// unqueue removes the groups that are no longer wanted from waiting. The
// track's lock is held.
func (s *subscription) unqueue() {
	s.waiting = slices.DeleteFunc(s.waiting, func(g *group) bool {
		unwanted := g.seq < s.start
		if unwanted {
			s.done.RemoveSpan(g.seq, g.seq+1)
		}
		return unwanted
	})
}

// offer adds a new group to waiting, if it is wanted. The track's lock is held.
func (s *subscription) offer(g *group) {
	if g.seq >= s.start {
		s.trim()
		s.enqueue(g)
	}
	s.awake.Wake()
}

// enqueue adds a group to waiting, unless it was offered or lost before. The
// track's lock is held.
func (s *subscription) enqueue(g *group) {
	if !s.take(g.seq) {
		return
	}
	i := len(s.waiting)
	for i > 0 && s.waiting[i-1].seq > g.seq {
		i--
	}
	s.waiting = slices.Insert(s.waiting, i, g)
}

// trim removes the first waiting groups as far as they were evicted or have
// become too old. The track's lock is held.
func (s *subscription) trim() {
	n := 0
	for n < len(s.waiting) && s.gone(s.waiting[n]) {
		n++
	}
	for _, g := range s.waiting[:n] {
		code := api.StreamOld
		if g.evicted {
			code = api.StreamEvicted
		}
		s.done.RemoveSpan(g.seq, g.seq+1)
		s.lose(api.Gap{Start: g.seq, End: g.seq + 1, Err: &api.StreamError{Code: code}})
	}
	clear(s.waiting[:n])
	s.waiting = s.waiting[n:]
}

func (s *subscription) gone(g *group) bool {
	return g.evicted || s.track.cache.tooOld(g, s.rule)
}
