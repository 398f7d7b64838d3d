package redial

import (
	"cmp"
	"slices"
	"time"

	"github.com/moqlite/moqlite/api"
)

// maxGaps bounds the gaps that nobody has asked for.
const maxGaps = 256

// An account is what has become of the groups of a track, datagrams among them.
// The track's lock guards it.
type account struct {
	seen    ranges            // passed on, or told as lost
	next    api.GroupSequence // after the highest group passed on; 0 while there is none
	pending []expected
	gaps    []api.Gap
}

// expected is groups that count as lost unless they come in time.
type expected struct {
	gap api.Gap
	due time.Time
}

// note takes in a number. It reports false when that has been passed on before,
// or was told as lost.
func (a *account) note(seq api.GroupSequence) bool {
	if a.seen.has(seq) {
		return false
	}
	a.seen.add(seq, seq+1)
	return true
}

// pass is note for a group.
func (a *account) pass(seq api.GroupSequence) bool {
	if !a.note(seq) {
		return false
	}
	a.next = max(a.next, seq+1)
	return true
}

// following is the number after the highest group that came; false while none
// has.
func (a *account) following() (api.GroupSequence, bool) { return a.next, a.next > 0 }

// expect gives groups time until due to come.
func (a *account) expect(start, end api.GroupSequence, err error, due time.Time) {
	for _, hole := range a.seen.missing(start, end) {
		if len(a.pending) == maxGaps {
			a.lose(a.pending[0].gap)
			a.pending = slices.Delete(a.pending, 0, 1)
		}
		a.pending = append(a.pending, expected{api.Gap{Start: hole.start, End: hole.end, Err: err}, due})
	}
}

// expectBelow gives the groups between the first that came and end time until
// due.
func (a *account) expectBelow(end api.GroupSequence, err error, due time.Time) {
	if len(a.seen) > 0 {
		a.expect(a.seen[0].end, end, err, due)
	}
}

// lose makes gaps of what has not come.
func (a *account) lose(g api.Gap) {
	for _, hole := range a.seen.missing(g.Start, g.End) {
		a.gaps = append(a.gaps, api.Gap{Start: hole.start, End: hole.end, Err: g.Err})
		a.seen.add(hole.start, hole.end)
	}
	if len(a.gaps) > maxGaps {
		a.gaps = merged(a.gaps)
	}
	for len(a.gaps) > maxGaps {
		a.gaps[1].Start = a.gaps[0].Start
		a.gaps = slices.Delete(a.gaps, 0, 1)
	}
}

// take returns the gaps that are due, or all at the end of the track.
func (a *account) take(now time.Time, all bool) []api.Gap {
	a.pending = slices.DeleteFunc(a.pending, func(p expected) bool {
		due := all || !now.Before(p.due)
		if due {
			a.lose(p.gap)
		}
		return due
	})
	out := merged(a.gaps)
	a.gaps = nil
	return out
}

// restart begins a new numbering. What was missing of the old one is lost.
func (a *account) restart() {
	for _, p := range a.pending {
		a.lose(p.gap)
	}
	a.seen, a.next, a.pending = nil, 0, nil
}

// merged puts gaps in order, neighbours with one cause in one.
func merged(gaps []api.Gap) (out []api.Gap) {
	slices.SortStableFunc(gaps, func(a, b api.Gap) int { return cmp.Compare(a.Start, b.Start) })
	for _, g := range gaps {
		last := len(out) - 1
		if last >= 0 && out[last].End == g.Start && sameCause(out[last].Err, g.Err) {
			out[last].End = g.End
			continue
		}
		out = append(out, g)
	}
	return out
}

func sameCause(a, b error) bool {
	if a == nil || b == nil {
		return a == b
	}
	return a.Error() == b.Error()
}
