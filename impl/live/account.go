package live

import (
	"fmt"

	"github.com/moqlite/moqlite/api"
	"github.com/moqlite/moqlite/impl/internal/numbers"
)

// A subscription accounts for every number from its first on: the group is
// served, or told as lost as soon as it cannot come any more. Its first number
// is the one that it asked for, or else the lowest that it was offered.

// first is where the account begins; false while nothing was offered to a
// subscriber who named no number. The track's lock is held.
func (s *subscription) first() (seq api.GroupSequence, known bool) {
	if s.numbered {
		return s.start, true
	}
	if spans := s.done.Spans(); len(spans) > 0 {
		return max(s.start, spans[0].Start), true
	}
	return 0, false
}

// loseKnown notes what the track knows to be lost. The track's lock is held.
func (s *subscription) loseKnown() {
	for _, gap := range s.track.lost.All() {
		s.lose(gap)
	}
}

// lose notes that the groups of a gap will not come, but for those that were
// offered and those outside the subscriber's range, who may ask for them later.
// The track's lock is held.
func (s *subscription) lose(gap api.Gap) {
	first, known := s.first()
	if !known {
		return
	}
	gap.Start = max(gap.Start, first)
	if s.config.EndGroup > 0 {
		gap.End = min(gap.End, s.config.EndGroup)
	}
	if gap.Start >= gap.End {
		return
	}
	s.lost.Lose(&s.done, gap)
}

// settle finds the groups that were never written and cannot come any more: they
// are below what was evicted, would be too old, or the track has ended. The
// track's lock is held.
func (s *subscription) settle() {
	first, known := s.first()
	if !known {
		return
	}
	t := s.track
	s.lose(api.Gap{Start: first, End: t.cache.floor, Err: &api.StreamError{Code: api.StreamEvicted}})
	for {
		hole, ok := s.done.Hole(first)
		if !ok || s.config.EndGroup > 0 && hole.Start >= s.config.EndGroup || !t.cache.tooLate(hole.End-1, s.rule) {
			break
		}
		s.lose(api.Gap{Start: hole.Start, End: hole.End, Err: &api.StreamError{Code: api.StreamOld}})
	}
	if t.ended {
		s.lose(api.Gap{Start: first, End: t.next, Err: &api.StreamError{Code: api.StreamNotFound}})
	}
}

// tell passes on what is lost, to a subscriber who can be told.
func (s *subscription) tell() {
	s.track.mu.Lock()
	lost := s.lost.Take()
	s.track.mu.Unlock()
	w, ok := s.w.(api.GapWriter)
	if !ok || len(lost) == 0 {
		return
	}
	s.writing.Lock()
	defer s.writing.Unlock()
	for _, gap := range lost {
		_ = w.WriteGap(gap) // fails where the subscriber is about to leave
	}
}

// WriteGap implements [api.GapWriter]: current and later subscribers are told of
// the groups in the gap that have not been opened. It does not block. Where a
// track has 4,096 gaps, the oldest is forgotten: later subscribers are told of
// these groups when they would be too old.
func (t *Track) WriteGap(gap api.Gap) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if err := t.usable(); err != nil {
		return fmt.Errorf("gap [%d, %d): %w", gap.Start, gap.End, err)
	}
	gap.Start, gap.End = max(gap.Start, t.cache.floor), min(gap.End, maxNumber+1)
	if gap.Start >= gap.End {
		return nil
	}
	for _, hole := range t.unopened(gap.Start, gap.End) {
		gap := api.Gap{Start: hole.Start, End: hole.End, Err: gap.Err}
		t.lost.Add(gap)
		for _, s := range t.subs {
			s.lose(gap)
		}
	}
	t.next = max(t.next, gap.End)
	t.wakeAll()
	return nil
}

// unopened are the numbers of [start, end) that are neither held nor known to be
// lost. The lock is held.
func (t *Track) unopened(start, end api.GroupSequence) []numbers.Span {
	var known numbers.Set
	for _, g := range t.cache.from(start) {
		if g.seq >= end {
			break
		}
		known.Add(g.seq)
	}
	for _, gap := range t.lost.All() {
		known.AddSpan(gap.Start, gap.End)
	}
	return known.Missing(start, end)
}
