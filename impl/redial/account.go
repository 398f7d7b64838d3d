package redial

import (
	"errors"
	"slices"
	"time"

	"github.com/moqlite/moqlite/api"
	"github.com/moqlite/moqlite/impl/internal/numbers"
)

const (
	// maxPending bounds the ranges of groups that may still come before they
	// count as lost.
	maxPending = 256

	// maxForgotten bounds the empty gaps that are kept, by which sessions tell
	// that they have forgotten some.
	maxForgotten = 256
)

// errTooManyHoles is why a group is lost that might have come later: too many
// others overtook it.
var errTooManyHoles = errors.New("too many groups are missing")

// An account records what has become of the groups and datagrams of a
// numbering. The track's lock guards it.
type account struct {
	from      api.GroupSequence // the first that was asked for; 0: whatever is there
	seen      numbers.Set       // passed on, or reported as lost
	next      api.GroupSequence // one above the highest group passed on; 0 for none
	pending   []expected
	gaps      numbers.Gaps
	forgotten []api.Gap // empty gaps: sessions have forgotten some
}

// An expected is a range of groups that count as lost unless they come in time.
type expected struct {
	gap api.Gap
	due time.Time
}

// noteNumber records a number. It reports false if that was passed on before,
// or was reported as lost.
func (a *account) noteNumber(seq api.GroupSequence) bool {
	if !a.seen.Add(seq) {
		return false
	}
	if hole, ok := a.seen.Squeeze(); ok {
		a.gaps.Add(api.Gap{Start: hole.Start, End: hole.End, Err: errTooManyHoles})
	}
	return true
}

// hasAny reports whether any group has come.
func (a *account) hasAny() bool { return len(a.seen.Spans()) > 0 }

// noteGroup is noteNumber for a group.
func (a *account) noteGroup(seq api.GroupSequence) bool {
	if !a.noteNumber(seq) {
		return false
	}
	a.next = max(a.next, seq+1)
	return true
}

// revokeGroup counts a group as lost that was noted but could not be handed to the
// reader.
func (a *account) revokeGroup(seq api.GroupSequence, err error) {
	a.seen.RemoveSpan(seq, seq+1)
	a.addLost(api.Gap{Start: seq, End: seq + 1, Err: err})
}

// nextSequence returns the number after the highest group that came; false while
// none has.
func (a *account) nextSequence() (api.GroupSequence, bool) { return a.next, a.next > 0 }

// expectGap lets the groups of a range that are missing count as lost, because of
// err, if they do not come before due.
func (a *account) expectGap(start, end api.GroupSequence, err error, due time.Time) {
	for _, hole := range a.seen.Missing(start, end) {
		if len(a.pending) == maxPending {
			a.addLost(a.pending[0].gap)
			a.pending = slices.Delete(a.pending, 0, 1)
		}
		a.pending = append(a.pending, expected{api.Gap{Start: hole.Start, End: hole.End, Err: err}, due})
	}
}

// expectMissing is expectGap for all groups below the highest one.
func (a *account) expectMissing(err error, due time.Time) {
	a.expectGap(a.firstSequence(), a.next, err, due)
}

// firstSequence returns where the numbers begin: the first that was asked for,
// or else the first that came.
func (a *account) firstSequence() api.GroupSequence {
	if a.from == 0 && a.hasAny() {
		return a.seen.Spans()[0].Start
	}
	return a.from
}

// addLost records the groups of a gap that have not come as lost. They are refused
// from then on.
func (a *account) addLost(g api.Gap) { a.gaps.Lose(&a.seen, g) }

// takeGaps returns the gaps that are due.
func (a *account) takeGaps(now time.Time) []api.Gap {
	a.expireOverdue(now)
	gaps := append(a.forgotten, a.gaps.Take()...)
	a.forgotten = nil
	return gaps
}

// expireOverdue records the expected groups as lost whose time is over.
func (a *account) expireOverdue(now time.Time) {
	a.pending = slices.DeleteFunc(a.pending, func(p expected) bool {
		due := !now.Before(p.due)
		if due {
			a.addLost(p.gap)
		}
		return due
	})
}

// addForgotten keeps an empty gap, by which a session tells that it has forgotten
// some.
func (a *account) addForgotten(g api.Gap) {
	if len(a.forgotten) < maxForgotten {
		a.forgotten = append(a.forgotten, g)
	}
}

// loseRest records all groups as lost that have not come, since nothing comes any
// more. err is the reason if no other was told.
func (a *account) loseRest(err error) {
	for _, p := range a.pending {
		a.addLost(p.gap)
	}
	a.pending = nil
	a.addLost(api.Gap{Start: a.firstSequence(), End: a.next, Err: err})
}
