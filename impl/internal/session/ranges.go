package session

import (
	"slices"

	"github.com/moqlite/moqlite/api"
)

// maxRanges bounds a set of ranges: a peer that leaves more holes has the
// oldest one filled. The newest group goes first, so that one which is faster
// than the link leaves as many holes as it has groups waiting.
const maxRanges = 4096

// A span is a run of group numbers, [start, end).
type span struct{ start, end api.GroupSequence }

// ranges is a set of group numbers, as disjoint spans in order.
type ranges struct{ spans []span }

// add puts seq in. It reports false when it was in already.
func (r *ranges) add(seq api.GroupSequence) bool {
	if last := len(r.spans) - 1; last >= 0 && r.spans[last].end == seq {
		r.spans[last].end++ // as a rule
		return true
	}
	i := r.search(seq)
	if i < len(r.spans) && r.spans[i].start <= seq {
		return false
	}
	joinsLeft := i > 0 && r.spans[i-1].end == seq
	joinsRight := i < len(r.spans) && r.spans[i].start == seq+1
	switch {
	case joinsLeft && joinsRight:
		r.spans[i-1].end = r.spans[i].end
		r.spans = slices.Delete(r.spans, i, i+1)
	case joinsLeft:
		r.spans[i-1].end++
	case joinsRight:
		r.spans[i].start = seq
	default:
		r.spans = slices.Insert(r.spans, i, span{seq, seq + 1})
	}
	return true
}

// addSpan puts all of [start, end) in.
func (r *ranges) addSpan(start, end api.GroupSequence) {
	if start >= end {
		return
	}
	first := r.search(start)
	if first > 0 && r.spans[first-1].end == start {
		first--
	}
	last := first
	for last < len(r.spans) && r.spans[last].start <= end {
		start, end = min(start, r.spans[last].start), max(end, r.spans[last].end)
		last++
	}
	r.spans = slices.Replace(r.spans, first, last, span{start, end})
}

// search returns the index of the first span that ends beyond seq.
func (r *ranges) search(seq api.GroupSequence) int {
	i, _ := slices.BinarySearchFunc(r.spans, seq, func(s span, seq api.GroupSequence) int {
		if s.end <= seq {
			return -1
		}
		return 1
	})
	return i
}

// missing returns the numbers of [start, end) that are not in.
func (r *ranges) missing(start, end api.GroupSequence) []span {
	var out []span
	for _, s := range r.spans {
		if s.start >= end {
			break
		}
		if s.start > start {
			out = append(out, span{start, s.start})
		}
		start = max(start, s.end)
	}
	if start < end {
		out = append(out, span{start, end})
	}
	return out
}

// squeeze fills the oldest hole when there are too many, and returns it.
func (r *ranges) squeeze() (hole span, ok bool) {
	if len(r.spans) <= maxRanges {
		return span{}, false
	}
	hole = span{r.spans[0].end, r.spans[1].start}
	r.addSpan(hole.start, hole.end)
	return hole, true
}
