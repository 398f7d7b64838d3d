// Package numbers keeps account of a track's groups: which numbers have arrived, and which
// are lost.
//
// A [Set] consists of spans in ascending order that neither overlap nor touch. [Gaps] are
// in ascending order and do not overlap, and adjacent gaps have different causes. Every
// lost number is reported once: in a gap, or, if gaps were forgotten because nobody has
// taken them, in the count of those. Memory is bounded: there are at most 4,096 gaps, and
// a set whose owner calls [Set.Squeeze] has at most 4,096 spans.
//
// Nothing here has a lock.
package numbers

import (
	"slices"

	"github.com/moqlite/moqlite/api"
)

// maxHoles is how many spans [Set.Squeeze] leaves in a set. On a link that is too slow the
// newest groups come first, so there may be a hole for each group that waits.
const maxHoles = 4096

// A Span is the range of numbers [Start, End).
type Span struct{ Start, End api.GroupSequence }

// A Set is a set of group numbers. The zero value is empty.
type Set struct{ spans []Span }

// Spans returns the spans of the set in order. The result is read-only, and valid until the
// set changes.
func (s *Set) Spans() []Span { return s.spans }

// Add adds n. It reports false if the set had n already.
func (s *Set) Add(n api.GroupSequence) bool {
	if last := len(s.spans) - 1; last >= 0 && s.spans[last].End == n {
		s.spans[last].End++ // the usual case: the next number
		return true
	}
	if s.Has(n) {
		return false
	}
	s.AddSpan(n, n+1)
	return true
}

// Has reports whether the set has n.
func (s *Set) Has(n api.GroupSequence) bool {
	i := s.search(n)
	return i < len(s.spans) && s.spans[i].Start <= n
}

// AddSpan adds all of [start, end).
func (s *Set) AddSpan(start, end api.GroupSequence) {
	if start >= end {
		return
	}
	first := s.search(start)
	if first > 0 && s.spans[first-1].End == start {
		first--
	}
	last := first
	for last < len(s.spans) && s.spans[last].Start <= end {
		start, end = min(start, s.spans[last].Start), max(end, s.spans[last].End)
		last++
	}
	s.spans = slices.Replace(s.spans, first, last, Span{start, end})
}

// RemoveSpan removes all of [start, end).
func (s *Set) RemoveSpan(start, end api.GroupSequence) {
	if start >= end {
		return
	}
	first := s.search(start)
	last := first
	var rest []Span
	for last < len(s.spans) && s.spans[last].Start < end {
		if span := s.spans[last]; span.Start < start {
			rest = append(rest, Span{span.Start, start})
		}
		if span := s.spans[last]; span.End > end {
			rest = append(rest, Span{end, span.End})
		}
		last++
	}
	s.spans = slices.Replace(s.spans, first, last, rest...)
}

// search returns the index of the first span whose End is above n.
func (s *Set) search(n api.GroupSequence) int {
	i, _ := slices.BinarySearchFunc(s.spans, n, func(span Span, n api.GroupSequence) int {
		if span.End <= n {
			return -1
		}
		return 1
	})
	return i
}

// Missing returns the numbers of [start, end) that the set does not have.
func (s *Set) Missing(start, end api.GroupSequence) (holes []Span) {
	for _, span := range s.spans[s.search(start):] {
		if span.Start >= end {
			break
		}
		if span.Start > start {
			holes = append(holes, Span{start, span.Start})
		}
		start = max(start, span.End)
	}
	if start < end {
		holes = append(holes, Span{start, end})
	}
	return holes
}

// Squeeze fills the lowest hole if the set has more than 4,096 spans, and returns it. The
// caller reports these numbers as lost.
func (s *Set) Squeeze() (hole Span, ok bool) {
	if len(s.spans) <= maxHoles {
		return Span{}, false
	}
	hole = Span{s.spans[0].End, s.spans[1].Start}
	s.AddSpan(hole.Start, hole.End)
	return hole, true
}

// Hole returns the first range of numbers, from n on, that the set does not have and that
// is followed by one that it has. ok is false if there is none.
func (s *Set) Hole(n api.GroupSequence) (hole Span, ok bool) {
	i := s.search(n)
	if i < len(s.spans) && s.spans[i].Start <= n {
		n = s.spans[i].End
		i++
	}
	if i == len(s.spans) {
		return Span{}, false
	}
	return Span{n, s.spans[i].Start}, true
}
