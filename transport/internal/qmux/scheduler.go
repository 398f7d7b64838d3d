package qmux

import (
	"cmp"
	"slices"
)

// urgencies is how many urgencies there are, as in RFC 9218.
const urgencies = 8

// A scheduler orders the streams that have data to send. Streams of a lower
// urgency value go first. Within an urgency, turns alternate between the
// incremental streams, which take theirs in rotation, and the oldest of the
// other streams.
type scheduler struct{ levels [urgencies]level }

// A level is the streams of one urgency that have data to send.
type level struct {
	shared  []*sendStream // incremental; the next in turn first
	ordered []*sendStream // the oldest first
	turn    bool          // it is the turn of ordered
}

// byAge compares streams by the order in which they were opened.
func byAge(a, b *sendStream) int { return cmp.Compare(a.age, b.age) }

// add adds s unless it is scheduled already.
func (q *scheduler) add(s *sendStream) {
	if s.scheduled {
		return
	}
	s.scheduled = true
	l := &q.levels[s.urgency]
	if s.incremental {
		l.shared = append(l.shared, s)
		return
	}
	i, _ := slices.BinarySearchFunc(l.ordered, s, byAge)
	l.ordered = slices.Insert(l.ordered, i, s)
}

// remove removes s, if it is scheduled: it is reset, or its priority changes.
func (q *scheduler) remove(s *sendStream) {
	if !s.scheduled {
		return
	}
	s.scheduled = false
	l := &q.levels[s.urgency]
	same := func(o *sendStream) bool { return o == s }
	l.shared = slices.DeleteFunc(l.shared, same)
	l.ordered = slices.DeleteFunc(l.ordered, same)
}

// next removes and returns the stream whose turn it is; nil if there is none. The
// stream is added again when a chunk of it was sent and more is there.
func (q *scheduler) next() *sendStream {
	for i := range q.levels {
		l := &q.levels[i]
		if len(l.shared)+len(l.ordered) == 0 {
			continue
		}
		from := &l.shared
		if len(l.shared) == 0 || l.turn && len(l.ordered) > 0 {
			from = &l.ordered
		}
		l.turn = from == &l.shared
		s := (*from)[0]
		*from = slices.Delete(*from, 0, 1)
		s.scheduled = false
		return s
	}
	return nil
}
