package numbers

import (
	"fmt"
	"slices"

	"github.com/moqlite/moqlite/api"
)

// maxGaps is how many gaps are kept until Take is called.
const maxGaps = 4096

// Gaps is an ordered list of gaps that were not reported yet. A gap covers exactly the
// numbers that were lost; adjacent gaps of one cause are merged. If there are more than
// 4,096, the oldest is forgotten, which [Gaps.Take] reports. The zero value is empty.
type Gaps struct {
	list      []api.Gap
	first     api.GroupSequence // the lowest number in a forgotten gap
	forgotten uint64            // how many numbers the forgotten gaps have
}

// Lose adds gaps for the numbers of g that are not in known, and then adds them to known.
// In known the caller has all numbers that have arrived or were lost before.
func (l *Gaps) Lose(known *Set, g api.Gap) {
	for _, hole := range known.Missing(g.Start, g.End) {
		l.Add(api.Gap{Start: hole.Start, End: hole.End, Err: g.Err})
	}
	known.AddSpan(g.Start, g.End)
}

// Add adds a gap. It must not overlap with another one.
func (l *Gaps) Add(g api.Gap) {
	if g.Start >= g.End {
		return
	}
	i := len(l.list)
	for i > 0 && l.list[i-1].Start > g.Start {
		i--
	}
	if i > 0 && l.list[i-1].End == g.Start && sameCause(l.list[i-1].Err, g.Err) {
		i--
		l.list[i].End = g.End
	} else {
		l.list = slices.Insert(l.list, i, g)
	}
	if i+1 < len(l.list) && l.list[i].End == l.list[i+1].Start && sameCause(l.list[i].Err, l.list[i+1].Err) {
		l.list[i].End = l.list[i+1].End
		l.list = slices.Delete(l.list, i+1, i+2)
	}
	if len(l.list) > maxGaps {
		l.forget()
	}
}

// forget removes the oldest gap, and counts its numbers.
func (l *Gaps) forget() {
	oldest := l.list[0]
	l.list = l.list[1:]
	if l.forgotten == 0 || oldest.Start < l.first {
		l.first = oldest.Start
	}
	l.forgotten += uint64(oldest.End - oldest.Start)
}

// All returns the gaps in order. The result is read-only, and valid until the list changes.
func (l *Gaps) All() []api.Gap { return l.list }

// Has reports whether n is in a gap.
func (l *Gaps) Has(n api.GroupSequence) bool {
	_, in := slices.BinarySearchFunc(l.list, n, func(g api.Gap, n api.GroupSequence) int {
		switch {
		case g.End <= n:
			return -1
		case g.Start > n:
			return 1
		default:
			return 0
		}
	})
	return in
}

// DropBelow removes the gaps that end at n or below.
func (l *Gaps) DropBelow(n api.GroupSequence) {
	i := 0
	for i < len(l.list) && l.list[i].End <= n {
		i++
	}
	l.list = l.list[i:]
}

// Take removes and returns all gaps. If some were forgotten, the first gap of the result is
// empty and has an error with their number, which matches [api.ErrTooFarBehind].
func (l *Gaps) Take() []api.Gap {
	list := l.list
	if l.forgotten > 0 {
		list = slices.Insert(list, 0, api.Gap{Start: l.first, End: l.first, Err: fmt.Errorf(
			"%d more groups from number %d on are lost, but nobody has asked for gaps in time: %w", l.forgotten, l.first, api.ErrTooFarBehind)})
	}
	*l = Gaps{}
	return list
}

// sameCause reports whether two causes are the same: both nil, or errors of the same text.
func sameCause(a, b error) bool {
	if a == nil || b == nil {
		return a == nil && b == nil
	}
	reset, is := a.(*api.StreamError)
	if other, too := b.(*api.StreamError); is && too {
		return *reset == *other // the usual case, without formatting texts
	}
	return a.Error() == b.Error()
}
