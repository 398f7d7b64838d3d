// Package numbers keeps account of the groups of a track: which numbers have
// come, and which are lost.
//
// A [Set] is spans in ascending order that neither overlap nor touch. [Gaps] are
// in ascending order and do not overlap, and neighbours have different causes.
// Every number that is lost is reported, and reported once: by its gap, or, when
// nobody asks for gaps, in the count of those that were forgotten. What is held
// is bounded: 4,096 gaps, and 4,096 holes in a set whose owner calls
// [Set.Squeeze].
//
// Nothing here has a lock.
package numbers

import (
	"slices"

	"github.com/moqlite/moqlite/api"
)

// maxHoles bounds what [Set.Squeeze] leaves of a set. The newest group goes
// first on a link that is too slow, so that it leaves as many holes as it has
// groups waiting.
const maxHoles = 4096

// A Span is the numbers [Start, End).
type Span struct{ Start, End api.GroupSequence }

// A Set is a set of group numbers, kept as spans in order that do not touch.
// The zero value is empty.
type Set struct{ spans []Span }

// Spans are the numbers in the set, in order. They are for reading, until the
// set changes.
func (s *Set) Spans() []Span { return s.spans }

// Add puts n in. It reports false when n was in already.
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

// Has tells whether n is in.
func (s *Set) Has(n api.GroupSequence) bool {
	i := s.search(n)
	return i < len(s.spans) && s.spans[i].Start <= n
}

// AddSpan puts all of [start, end) in.
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

// RemoveSpan takes all of [start, end) out.
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

// search returns the index of the first span that ends beyond n.
func (s *Set) search(n api.GroupSequence) int {
	i, _ := slices.BinarySearchFunc(s.spans, n, func(span Span, n api.GroupSequence) int {
		if span.End <= n {
			return -1
		}
		return 1
	})
	return i
}

// Missing returns the numbers of [start, end) that are not in.
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

// Squeeze fills the oldest hole when there are more than 4,096, and returns it:
// these numbers are lost then, and to be told as such.
func (s *Set) Squeeze() (hole Span, ok bool) {
	if len(s.spans) <= maxHoles {
		return Span{}, false
	}
	hole = Span{s.spans[0].End, s.spans[1].Start}
	s.AddSpan(hole.Start, hole.End)
	return hole, true
}

// Hole returns the first numbers from n on that are not in but followed by one
// that is; false when there are none.
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
