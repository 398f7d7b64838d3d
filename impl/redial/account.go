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

	// maxForgot bounds how often sessions tell to have forgotten gaps.
	maxForgot = 256
)

// errTooManyHoles is why a group is lost that may have been under way: too many
// others overtook it.
var errTooManyHoles = errors.New("too many groups are missing")

// An account is what has become of the groups of a numbering, datagrams among
// them. The track's lock guards it.
type account struct {
	from    api.GroupSequence // the first that was asked for; 0: whatever is there
	seen    numbers.Set       // passed on, or told as lost
	next    api.GroupSequence // after the highest group passed on; 0 while there is none
	pending []expected
	gaps    numbers.Gaps
	forgot  []api.Gap // without a group: sessions have forgotten some
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

// unpass has a group count as lost that was passed on to nobody, since err.
func (a *account) unpass(seq api.GroupSequence, err error) {
	a.seen.RemoveSpan(seq, seq+1)
	a.lose(api.Gap{Start: seq, End: seq + 1, Err: err})
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

// expectAll gives the groups that were to come before the highest that did time
// until due.
func (a *account) expectAll(err error, due time.Time) {
	a.expect(a.first(), a.next, err, due)
}

// first is where the numbers begin: with the first that was asked for, or the
// first that came.
func (a *account) first() api.GroupSequence {
	if a.from == 0 && a.some() {
		return a.seen.Spans()[0].Start
	}
	return a.from
}

// lose makes gaps of what has not come, which is refused from then on.
func (a *account) lose(g api.Gap) { a.gaps.Lose(&a.seen, g) }

// take returns the gaps that are due.
func (a *account) take(now time.Time) []api.Gap {
	a.losePending(now)
	gaps := append(a.forgot, a.gaps.Take()...)
	a.forgot = nil
	return gaps
}

// losePending makes gaps of what was to come by now.
func (a *account) losePending(now time.Time) {
	a.pending = slices.DeleteFunc(a.pending, func(p expected) bool {
		due := !now.Before(p.due)
		if due {
			a.lose(p.gap)
		}
		return due
	})
}

// forget takes over a gap without a group, by which a session tells that it has
// forgotten some.
func (a *account) forget(g api.Gap) {
	if len(a.forgot) < maxForgot {
		a.forgot = append(a.forgot, g)
	}
}

// end has all count as lost that is not there yet, since err where nobody has
// told why: nothing comes any more.
func (a *account) end(err error) {
	for _, p := range a.pending {
		a.lose(p.gap)
	}
	a.pending = nil
	a.lose(api.Gap{Start: a.first(), End: a.next, Err: err})
}
