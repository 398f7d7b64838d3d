package qmux

import (
	"cmp"
	"slices"
)

const urgencies = 8

// A scheduler ranks the streams that could send now: those of the first urgency
// that has any go before the others. Within one, the incremental streams share
// turns, and every other turn is the oldest of the rest's.
type scheduler struct{ levels [urgencies]level }

type level struct {
	shared  []*sendStream // incremental, the next first
	ordered []*sendStream // the oldest first
	turn    bool          // is ordered's
}

func byAge(a, b *sendStream) int { return cmp.Compare(a.age, b.age) }

// add ranks s, if it is not ranked yet.
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

// next takes the stream whose turn it is; nil: none.
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
