package live

import (
	"fmt"

	"github.com/moqlite/moqlite/api"
	"github.com/moqlite/moqlite/impl/internal/numbers"
)

// A subscription accounts for each group number from its first one on: either
// it serves the group, or it reports a gap as soon as the group cannot come any
// more. Its first number is the StartGroup that was asked for, with
// [api.GroupLatest] the first that was passed to it, and else the lowest that was
// offered to it.
//
// firstSequence returns that number; false while there is none. The track's lock
// is held.
func (s *subscription) firstSequence() (seq api.GroupSequence, known bool) {
	if s.numbered {
		return s.start, true
	}
	if spans := s.done.Spans(); len(spans) > 0 && !s.edge {
		return max(s.start, spans[0].Start), true
	}
	return 0, false
}

// takeNumber records a number that is offered, and reports whether it was not offered
// or lost before. If it is below all others, the gaps of the track above it are
// lost now. A subscriber that wants the newest group wants none below the first
// that is offered. The track's lock is held.
func (s *subscription) takeNumber(seq api.GroupSequence) bool {
	if s.edge && len(s.done.Spans()) == 0 {
		s.start = seq
	}
	if !s.done.Add(seq) {
		return false
	}
	if s.done.Spans()[0].Start == seq {
		s.addTrackGaps()
		s.awake.Wake()
	}
	return true
}

// addTrackGaps records the gaps of the track as lost. The track's lock is held.
func (s *subscription) addTrackGaps() {
	for _, gap := range s.track.lost.All() {
		s.addGap(gap)
	}
}

// addGap records that the groups of a gap will not come. It leaves out groups
// that were offered, and those outside the subscriber's range, which it may ask
// for later. The track's lock is held.
func (s *subscription) addGap(gap api.Gap) {
	first, known := s.firstSequence()
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

// addUnwritten finds the groups that were never written and cannot come any more:
// those below an evicted one, those that would be too old, and all when the
// track has ended. The track's lock is held.
func (s *subscription) addUnwritten() {
	first, known := s.firstSequence()
	if !known {
		return
	}
	t := s.track
	s.addGap(api.Gap{Start: first, End: t.cache.floor, Err: &api.StreamError{Code: api.StreamEvicted}})
	for {
		hole, ok := s.done.Hole(first)
		if !ok || s.config.EndGroup > 0 && hole.Start >= s.config.EndGroup || !t.cache.tooLate(hole.End-1, s.rule) {
			break
		}
		s.addGap(api.Gap{Start: hole.Start, End: hole.End, Err: &api.StreamError{Code: api.StreamOld}})
	}
	if t.ended {
		s.addGap(api.Gap{Start: first, End: t.next, Err: &api.StreamError{Code: api.StreamNotFound}})
	}
}

// reportGaps reports the recorded losses to the subscriber if its writer is a
// GapWriter.
func (s *subscription) reportGaps() {
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

// WriteGap implements [api.GapWriter]: current and later subscribers are told
// of the groups in the gap that were not opened. It does not block. When a
// track has 4,096 gaps, it forgets the oldest: later subscribers are told of
// those groups when they would be too old.
func (t *Track) WriteGap(gap api.Gap) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if err := t.closedError(); err != nil {
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
			s.addGap(gap)
		}
	}
	t.next = max(t.next, gap.End)
	t.wakeAll()
	return nil
}

// unopened returns the numbers of [start, end) that are neither held nor known
// to be lost. The lock is held.
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
