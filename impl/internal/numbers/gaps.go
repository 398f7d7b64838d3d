package numbers

import (
	"fmt"
	"slices"

	"github.com/moqlite/moqlite/api"
)

// maxGaps bounds the gaps that nobody has asked for.
const maxGaps = 4096

// Gaps are the losses that a reader has not been told of yet, in order. A gap
// covers what was lost and nothing else; neighbours of one cause are merged. When
// there are more than 4,096, the oldest is forgotten, which [Gaps.Take] reports.
// The zero value is empty.
type Gaps struct {
	list      []api.Gap
	first     api.GroupSequence // the lowest number that is forgotten
	forgotten uint64            // how many are
}

// Lose makes gaps of the numbers of g that are not in known, and puts them into
// known. The caller's known has all numbers that came, or were lost before.
func (l *Gaps) Lose(known *Set, g api.Gap) {
	for _, hole := range known.Missing(g.Start, g.End) {
		l.Add(api.Gap{Start: hole.Start, End: hole.End, Err: g.Err})
	}
	known.AddSpan(g.Start, g.End)
}

// Add puts a gap in. It may not overlap with one that is in.
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

// forget takes out the oldest gap, and counts it.
func (l *Gaps) forget() {
	oldest := l.list[0]
	l.list = l.list[1:]
	if l.forgotten == 0 || oldest.Start < l.first {
		l.first = oldest.Start
	}
	l.forgotten += uint64(oldest.End - oldest.Start)
}

// All are the gaps, in order. They are for reading, until the list changes.
func (l *Gaps) All() []api.Gap { return l.list }

// Has tells whether n is in a gap.
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

// DropBelow takes out the gaps that end at n or below.
func (l *Gaps) DropBelow(n api.GroupSequence) {
	i := 0
	for i < len(l.list) && l.list[i].End <= n {
		i++
	}
	l.list = l.list[i:]
}

// Take takes out all gaps. If some were forgotten, one without a group comes
// first, whose error tells how many; it matches [api.ErrTooFarBehind].
func (l *Gaps) Take() []api.Gap {
	list := l.list
	if l.forgotten > 0 {
		list = slices.Insert(list, 0, api.Gap{Start: l.first, End: l.first, Err: fmt.Errorf(
			"%d more groups from number %d on are lost, but nobody has asked for gaps in time: %w", l.forgotten, l.first, api.ErrTooFarBehind)})
	}
	*l = Gaps{}
	return list
}

// sameCause tells whether two causes are reported alike: they have the same text.
func sameCause(a, b error) bool {
	if a == nil || b == nil {
		return a == nil && b == nil
	}
	reset, is := a.(*api.StreamError)
	if other, too := b.(*api.StreamError); is && too {
		return *reset == *other // the usual case, without making texts of them
	}
	return a.Error() == b.Error()
}
