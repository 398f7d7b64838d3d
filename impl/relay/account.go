package relay

import (
	"cmp"
	"slices"
	"time"

	"github.com/moqlite/moqlite/api"
)

// maxMissing bounds the runs of groups that a track waits for; beyond it, the
// oldest are given up.
const maxMissing = 256

// An account is what is known of the numbers of a track's groups: which came,
// which are missing, and how fast they go on. The filler's lock guards it.
type account struct {
	some         bool              // the rest is set
	lowest, next api.GroupSequence // of what came, or is missing
	missing      []missing         // in order

	newest   api.GroupSequence // that came
	arrivals [9]arrival        // of those that were the newest when they came, in a ring
	arrived  int               // how many they were
}

// An arrival is a group that came, and when.
type arrival struct {
	seq api.GroupSequence
	at  time.Time
}

// missing is a run of groups that have not come.
type missing struct {
	api.Gap
	due time.Time // when they are given up
}

// note takes in a group that came. Those that it leaves out may come until due.
func (a *account) note(seq api.GroupSequence, now, due time.Time) {
	if a.newest < seq || a.arrived == 0 {
		a.newest = seq
		a.arrivals[a.arrived%len(a.arrivals)] = arrival{seq, now}
		a.arrived++
	}
	a.extend(seq, seq+1, nil, due)
	a.remove(seq)
}

// extend has all that is between the numbers known and [start, end), and that
// itself, count as missing.
func (a *account) extend(start, end api.GroupSequence, err error, due time.Time) {
	if !a.some {
		a.some, a.lowest, a.next = true, start, start
	}
	if start > a.next {
		a.miss(a.next, start, nil, due)
	}
	if end > a.next {
		a.miss(max(start, a.next), end, err, due)
		a.next = end
	}
	if end < a.lowest {
		a.miss(end, a.lowest, nil, due)
	}
	if start < a.lowest {
		a.miss(start, min(end, a.lowest), err, due)
		a.lowest = start
	}
}

func (a *account) miss(start, end api.GroupSequence, err error, due time.Time) {
	m := missing{api.Gap{Start: start, End: end, Err: err}, due}
	i, _ := slices.BinarySearchFunc(a.missing, m, func(m, other missing) int { return cmp.Compare(m.Start, other.Start) })
	a.missing = slices.Insert(a.missing, i, m)
}

// remove takes a group out of what is missing.
func (a *account) remove(seq api.GroupSequence) {
	i := slices.IndexFunc(a.missing, func(m missing) bool { return m.Start <= seq && seq < m.End })
	if i < 0 {
		return
	}
	before, after := a.missing[i], a.missing[i]
	before.End, after.Start = seq, seq+1
	a.missing = slices.Replace(a.missing, i, i+1, before, after)
	a.missing = slices.DeleteFunc(a.missing, func(m missing) bool { return m.Start == m.End })
}

// lose has what is missing of a gap be due now.
func (a *account) lose(g api.Gap, now time.Time) {
	if g.Start >= g.End {
		return
	}
	a.extend(g.Start, g.End, g.Err, now)
	var split []missing
	for _, m := range a.missing {
		for _, part := range m.cut(g.Start, g.End) {
			if part.Start >= g.Start && part.End <= g.End {
				part.Err, part.due = g.Err, now
			}
			split = append(split, part)
		}
	}
	a.missing = split
}

// cut is m in up to three parts: before, within, and after [start, end).
func (m missing) cut(start, end api.GroupSequence) (parts []missing) {
	for _, bound := range []api.GroupSequence{start, end} {
		if m.Start < bound && bound < m.End {
			before := m
			before.End, m.Start = bound, bound
			parts = append(parts, before)
		}
	}
	return append(parts, m)
}

// hasten has all that is missing be due by a time.
func (a *account) hasten(due time.Time) {
	for i := range a.missing {
		if m := &a.missing[i]; m.due.After(due) {
			m.due = due
		}
	}
}

// take removes and returns what is due, and the time at which the next is; zero
// for none.
func (a *account) take(now time.Time) (gaps []api.Gap, next time.Time) {
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

// earliest is the earlier of two times, of which zero is none.
func earliest(a, b time.Time) time.Time {
	if a.IsZero() || !b.IsZero() && b.Before(a) {
		return b
	}
	return a
}

// last is when the newest group came.
func (a *account) last() time.Time {
	return a.arrivals[(a.arrived+len(a.arrivals)-1)%len(a.arrivals)].at
}

// pace is how long a group takes: the median of those that came last, which
// neither a backlog that came at once nor an interruption changes much. It is
// false while too few came.
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
	// leap is how many numbers may be left out at a change of route, beside
	// those of groups that should have come meanwhile.
	leap = 16

	// aside is how far from the time at which it is due a group may come by
	// another way, and asideGroups in groups; the greater of the two.
	aside       = 250 * time.Millisecond
	asideGroups = 2
)

// plausible tells whether a number may be that of a group which goes on after
// those that came: no publisher is twice as fast as before.
func (a *account) plausible(seq api.GroupSequence, now time.Time) bool {
	if seq <= a.newest {
		return true
	}
	most := api.GroupSequence(leap)
	if pace, ok := a.pace(); ok {
		most += 2 * api.GroupSequence(now.Sub(a.last())/max(pace, time.Microsecond))
	}
	return seq-a.newest <= most
}

// early is how long before it is due a group comes, below zero for one that is
// late, and within how much of that is no deviation. It is false while nobody can
// tell.
func (a *account) early(seq api.GroupSequence, now time.Time) (by, within time.Duration, ok bool) {
	pace, ok := a.pace()
	if !ok || max(seq, a.newest)-min(seq, a.newest) > 1<<20 {
		return 0, 0, false
	}
	due := a.last().Add(time.Duration(int64(seq)-int64(a.newest)) * pace)
	return due.Sub(now), max(aside, asideGroups*pace), true
}
