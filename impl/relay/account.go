package relay

import (
	"cmp"
	"slices"
	"time"

	"github.com/moqlite/moqlite/api"
)

// maxMissing bounds the ranges of missing groups that a track waits for. If
// there are more, the oldest are given up.
const maxMissing = 256

// An account records the numbers of a track's groups: which came, which are
// missing, and how fast they follow each other. The filler's lock guards it.
type account struct {
	hasAny       bool              // the fields below are set
	lowest, next api.GroupSequence // the range of numbers that came or are missing
	missing      []missing         // in order of their numbers

	newest   api.GroupSequence // the highest that came
	arrivals [9]arrival        // of groups that were the newest when they came, a ring
	arrived  int               // number of arrivals written to the ring
}

// An arrival is a group that came, and when.
type arrival struct {
	seq api.GroupSequence
	at  time.Time
}

// A missing is a range of groups that have not come.
type missing struct {
	api.Gap
	due time.Time // when they are given up
}

// noteArrival records a group that came. The groups that it leaves out may come
// until due.
func (a *account) noteArrival(seq api.GroupSequence, now, due time.Time) {
	if a.newest < seq || a.arrived == 0 {
		a.newest = seq
		a.arrivals[a.arrived%len(a.arrivals)] = arrival{seq, now}
		a.arrived++
	}
	a.extendKnown(seq, seq+1, nil, due)
	a.removeMissing(seq)
}

// isLowest reports whether a group that comes is below all that came or are missing.
func (a *account) isLowest(seq api.GroupSequence) bool { return a.arrived == 0 || seq < a.lowest }

// extendKnown extends the range of known numbers by [start, end). These, and all
// between them and the range before, count as missing.
func (a *account) extendKnown(start, end api.GroupSequence, err error, due time.Time) {
	if !a.hasAny {
		a.hasAny, a.lowest, a.next = true, start, start
	}
	if start > a.next {
		a.addMissing(a.next, start, nil, due)
	}
	if end > a.next {
		a.addMissing(max(start, a.next), end, err, due)
		a.next = end
	}
	if end < a.lowest {
		a.addMissing(end, a.lowest, nil, due)
	}
	if start < a.lowest {
		a.addMissing(start, min(end, a.lowest), err, due)
		a.lowest = start
	}
}

func (a *account) addMissing(start, end api.GroupSequence, err error, due time.Time) {
	m := missing{api.Gap{Start: start, End: end, Err: err}, due}
	i, _ := slices.BinarySearchFunc(a.missing, m, func(m, other missing) int { return cmp.Compare(m.Start, other.Start) })
	a.missing = slices.Insert(a.missing, i, m)
}

// removeMissing removes a group from the missing ones.
func (a *account) removeMissing(seq api.GroupSequence) {
	i := slices.IndexFunc(a.missing, func(m missing) bool { return m.Start <= seq && seq < m.End })
	if i < 0 {
		return
	}
	before, after := a.missing[i], a.missing[i]
	before.End, after.Start = seq, seq+1
	a.missing = slices.Replace(a.missing, i, i+1, before, after)
	a.missing = slices.DeleteFunc(a.missing, func(m missing) bool { return m.Start == m.End })
}

// makeDue makes the missing groups of a gap due now.
func (a *account) makeDue(g api.Gap, now time.Time) {
	if g.Start >= g.End {
		return
	}
	a.extendKnown(g.Start, g.End, g.Err, now)
	var split []missing
	for _, m := range a.missing {
		for _, part := range m.split(g.Start, g.End) {
			if part.Start >= g.Start && part.End <= g.End {
				part.Err, part.due = g.Err, now
			}
			split = append(split, part)
		}
	}
	a.missing = split
}

// split splits m into up to three parts: before, within, and after [start, end).
func (m missing) split(start, end api.GroupSequence) (parts []missing) {
	for _, bound := range []api.GroupSequence{start, end} {
		if m.Start < bound && bound < m.End {
			before := m
			before.End, m.Start = bound, bound
			parts = append(parts, before)
		}
	}
	return append(parts, m)
}

// dueBy makes all missing groups from a number on due by a time.
func (a *account) dueBy(from api.GroupSequence, due time.Time) {
	for i := range a.missing {
		if m := &a.missing[i]; m.Start >= from && m.due.After(due) {
			m.due = due
		}
	}
}

// takeDue removes and returns the missing groups that are due, and the time at
// which the next are; zero for none.
func (a *account) takeDue(now time.Time) (gaps []api.Gap, next time.Time) {
	excess := len(a.missing) - maxMissing
	a.missing = slices.DeleteFunc(a.missing, func(m missing) bool {
		if excess--; excess >= 0 || !now.Before(m.due) {
			gaps = append(gaps, m.Gap)
			return true
		}
		next = earliest(next, m.due)
		return false
	})
	return gaps, next
}

// earliest returns the earlier of two times; a zero time does not count.
func earliest(a, b time.Time) time.Time {
	if a.IsZero() || !b.IsZero() && b.Before(a) {
		return b
	}
	return a
}

// lastArrival returns when the newest group came.
func (a *account) lastArrival() time.Time {
	return a.arrivals[(a.arrived+len(a.arrivals)-1)%len(a.arrivals)].at
}

// pace returns how long a group takes: the median over the last arrivals, so
// that several groups that came at once, or an interruption, change little. It
// is false while too few came.
func (a *account) pace() (time.Duration, bool) {
	n := min(a.arrived, len(a.arrivals))
	if n < 3 {
		return 0, false
	}
	var took [len(a.arrivals) - 1]time.Duration
	for i := range n - 1 {
		before := a.arrivals[(a.arrived-n+i)%len(a.arrivals)]
		after := a.arrivals[(a.arrived-n+i+1)%len(a.arrivals)]
		took[i] = after.at.Sub(before.at) / time.Duration(min(after.seq-before.seq, 1<<32))
	}
	slices.Sort(took[:n-1])
	pace := took[(n-1)/2]
	return pace, pace > 0
}

const (
	// maxSkip is how many numbers may be left out at a change of route, besides
	// those of groups that should have come in the meantime.
	maxSkip = 16

	// maxAside and maxAsideGroups are how far from its expected time a group
	// may come by another route, as a time and in groups; the greater of the
	// two counts.
	maxAside       = 250 * time.Millisecond
	maxAsideGroups = 2
)

// isPlausible reports whether a group of this number may follow those that came:
// a publisher is at most twice as fast as before.
func (a *account) isPlausible(seq api.GroupSequence, now time.Time) bool {
	if seq <= a.newest {
		return true
	}
	most := api.GroupSequence(maxSkip)
	if pace, ok := a.pace(); ok {
		most += 2 * api.GroupSequence(now.Sub(a.lastArrival())/max(pace, time.Microsecond))
	}
	return seq-a.newest <= most
}

// earliness returns how long before its expected time a group comes (negative if it
// is late), and the deviation that is allowed. It is false while the pace is
// not known.
func (a *account) earliness(seq api.GroupSequence, now time.Time) (by, within time.Duration, ok bool) {
	pace, ok := a.pace()
	if !ok || max(seq, a.newest)-min(seq, a.newest) > 1<<20 {
		return 0, 0, false
	}
	due := a.lastArrival().Add(time.Duration(int64(seq)-int64(a.newest)) * pace)
	return due.Sub(now), max(maxAside, maxAsideGroups*pace), true
}
