package redial

import (
	"slices"

	"github.com/moqlite/moqlite/api"
)

// maxSpans bounds what is remembered of groups that came out of order; the
// oldest holes are forgotten first, as if they had been filled.
const maxSpans = 512

// A span is the numbers [start, end).
type span struct{ start, end api.GroupSequence }

// ranges is a set of numbers: spans in order that do not touch.
type ranges []span

// search is the index of the first span that ends at n or beyond.
func (r ranges) search(n api.GroupSequence) int {
	i, _ := slices.BinarySearchFunc(r, n, func(s span, n api.GroupSequence) int {
		if s.end < n {
			return -1
		}
		return 1
	})
	return i
}

// has tells whether n is in the set.
func (r ranges) has(n api.GroupSequence) bool {
	i := r.search(n + 1)
	return i < len(r) && r[i].start <= n
}

// add puts [start, end) in.
func (r *ranges) add(start, end api.GroupSequence) {
	if start >= end {
		return
	}
	first := r.search(start)
	last := first
	for ; last < len(*r) && (*r)[last].start <= end; last++ {
		start, end = min(start, (*r)[last].start), max(end, (*r)[last].end)
	}
	*r = slices.Replace(*r, first, last, span{start, end})
	if len(*r) > maxSpans {
		(*r)[1].start = (*r)[0].start
		*r = slices.Delete(*r, 0, 1)
	}
}

// missing returns what of [start, end) is not in the set.
func (r ranges) missing(start, end api.GroupSequence) (holes []span) {
	for _, s := range r[r.search(start):] {
		if s.start >= end {
			break
		}
		if s.start > start {
			holes = append(holes, span{start, s.start})
		}
		start = max(start, s.end)
	}
	if start < end {
		holes = append(holes, span{start, end})
	}
	return holes
}
