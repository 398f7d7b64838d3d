package redial

import (
	"errors"
	"slices"
	"time"

	"github.com/moqlite/moqlite/api"
	"github.com/moqlite/moqlite/impl/internal/numbers"
)

const (
	// maxPending bounds the losses that are given time to turn out as none.
	maxPending = 256

	// maxEarlier bounds the gaps of earlier numberings that nobody has asked for.
	maxEarlier = 4096
)

// errTooManyHoles is why a group is lost that may have been under way: too many
// others overtook it.
var errTooManyHoles = errors.New("too many groups are missing")

// An account is what has become of the groups of a track, datagrams among them.
// The track's lock guards it.
type account struct {
	seen    numbers.Set       // passed on, or told as lost
	next    api.GroupSequence // after the highest group passed on; 0 while there is none
	pending []expected
	gaps    numbers.Gaps
	earlier []api.Gap // of the numberings before
}

// expected is groups that count as lost unless they come in time.
type expected struct {
	gap api.Gap
	due time.Time
}

// note takes in a number. It reports false when that has been passed on before,
// or was told as lost.
func (a *account) note(seq api.GroupSequence) bool {
	if !a.seen.Add(seq) {
		return false
	}
	if hole, ok := a.seen.Squeeze(); ok {
		a.gaps.Add(api.Gap{Start: hole.Start, End: hole.End, Err: errTooManyHoles})
	}
	return true
}

// some tells whether any group has come.
func (a *account) some() bool { return len(a.seen.Spans()) > 0 }

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
	for _, hole := range a.seen.Missing(start, end) {
		if len(a.pending) == maxPending {
			a.lose(a.pending[0].gap)
			a.pending = slices.Delete(a.pending, 0, 1)
		}
		a.pending = append(a.pending, expected{api.Gap{Start: hole.Start, End: hole.End, Err: err}, due})
	}
}

// expectBelow gives the groups between the first that came and end time until
// due.
func (a *account) expectBelow(end api.GroupSequence, err error, due time.Time) {
	if a.some() {
		a.expect(a.seen.Spans()[0].End, end, err, due)
	}
}

// lose makes gaps of what has not come, which is refused from then on.
func (a *account) lose(g api.Gap) {
	for _, hole := range a.seen.Missing(g.Start, g.End) {
		a.gaps.Add(api.Gap{Start: hole.Start, End: hole.End, Err: g.Err})
		a.seen.AddSpan(hole.Start, hole.End)
	}
}

// take returns the gaps that are due, or all at the end of the track: those of
// earlier numberings first.
func (a *account) take(now time.Time, all bool) []api.Gap {
	a.pending = slices.DeleteFunc(a.pending, func(p expected) bool {
		due := all || !now.Before(p.due)
		if due {
			a.lose(p.gap)
		}
		return due
	})
	return append(a.takeEarlier(), a.gaps.Take()...)
}

// takeEarlier returns the gaps of earlier numberings.
func (a *account) takeEarlier() []api.Gap {
	out := a.earlier
	a.earlier = nil
	return out
}

// forgotten takes over a gap without a group, by which a session tells that it
// has forgotten some.
func (a *account) forgotten(g api.Gap) {
	if len(a.earlier) < maxEarlier {
		a.earlier = append(a.earlier, g)
	}
}

// restart begins a new numbering, since err. What was missing of the old one is
// lost, which means nothing to a reader who was not told of that one.
func (a *account) restart(told bool, err error) {
	for _, p := range a.pending {
		a.lose(p.gap)
	}
	if a.some() {
		a.lose(api.Gap{Start: a.seen.Spans()[0].End, End: a.next, Err: err})
	}
	if gaps := a.gaps.Take(); told {
		a.earlier = append(a.earlier, gaps...)
		a.earlier = slices.Delete(a.earlier, 0, max(0, len(a.earlier)-maxEarlier))
	}
	a.seen, a.next, a.pending = numbers.Set{}, 0, nil
}
