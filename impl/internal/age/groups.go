package age

import (
	"slices"
	"time"

	"github.com/moqlite/moqlite/api"
)

// An Entry is the state that [Groups] keeps for one group. It is embedded in the group's
// writer, so it costs no allocation. The zero value is that of a group without a frame.
type Entry struct {
	stamped  bool   // the group has a frame; used only by the goroutine that writes the group
	followed bool   // a following group has a frame
	next     uint64 // if followed, the first timestamp of that group
}

// A Member is the writer of a group.
type Member interface {
	comparable
	Sequence() api.GroupSequence // constant
	AgeEntry() *Entry            // constant
}

// Groups are the groups of one subscription that are being written, in order of their
// numbers. They find out which of them have become too old.
//
// The owner's lock guards all methods but [Groups.GoesOn]. A frame costs no allocation. The
// zero value has no group; call [Groups.SetRule] first.
type Groups[M Member] struct {
	list  []M
	began time.Time

	rule      Rule
	newest    api.GroupSequence // the highest number of a group that has a frame
	hasNewest bool              // there is one
	latest    uint64            // the newest timestamp of it that Stamp has looked at

	horizon horizon
}

// SetRule sets the rule that applies from the next frame on.
func (o *Groups[M]) SetRule(r Rule) {
	o.rule = r
	if o.began.IsZero() {
		o.began = time.Now()
	}
	o.horizon.forget()
}

// Len is the number of groups.
func (o *Groups[M]) Len() int { return len(o.list) }

// All returns a copy of the list.
func (o *Groups[M]) All() []M { return slices.Clone(o.list) }

// Add adds a group.
func (o *Groups[M]) Add(g M) {
	i, seq := len(o.list), g.Sequence()
	for i > 0 && o.list[i-1].Sequence() > seq {
		i--
	}
	o.list = slices.Insert(o.list, i, g)
}

// Remove removes a group. It reports false if the group was removed before.
func (o *Groups[M]) Remove(g M) bool {
	seq := g.Sequence()
	i, _ := slices.BinarySearchFunc(o.list, seq, func(g M, seq api.GroupSequence) int {
		if g.Sequence() < seq {
			return -1
		}
		return 1
	})
	for i < len(o.list) && o.list[i] != g && o.list[i].Sequence() == seq {
		i++
	}
	if i == len(o.list) || o.list[i] != g {
		return false
	}
	o.list = slices.Delete(o.list, i, i+1)
	if g.AgeEntry().followed {
		o.horizon.forget() // it may have depended on the group
	}
	return true
}

// GoesOn reports whether [Groups.Stamp] need not be called for a frame: it is not the first
// of its group, whose entry is e, and makes no group too old. It is called by the goroutine
// that writes the group, and needs no lock.
func (o *Groups[M]) GoesOn(e *Entry, timestamp uint64) bool {
	return e.stamped && o.horizon.beyond(timestamp)
}

// Stamp records that a frame of g begins, and returns the groups that are too old now. It
// is called by the goroutine that writes g. A timestamp of 0 means none.
func (o *Groups[M]) Stamp(g M, timestamp uint64) (old []M) {
	seq, e := g.Sequence(), g.AgeEntry()
	if len(o.list) > 0 && o.list[0].Sequence() >= seq {
		e.stamped = true // no group precedes it, so none can become too old
		if !o.hasNewest || seq > o.newest {
			o.newest, o.hasNewest = seq, true
		}
		if _, some := o.firstFollowed(); !some {
			o.horizon.clear()
		}
		return nil
	}
	clocked := timestamp == 0
	if clocked {
		timestamp = Now(o.began, o.rule.Scale)
	}
	first := !e.stamped
	if first {
		e.stamped = true
		o.follow(seq, timestamp)
	}
	if o.hasNewest && seq < o.newest {
		if first {
			o.horizon.forget()
		}
		return nil
	}
	o.newest, o.hasNewest, o.latest = seq, true, timestamp
	if old = o.outdated(); old == nil {
		o.look(clocked)
	}
	return old
}

// outdated returns the groups that are too old by the newest timestamp. It looks from the
// oldest on, up to the first whose following timestamp is known and not old enough.
func (o *Groups[M]) outdated() (old []M) {
	for _, g := range o.list {
		e := g.AgeEntry()
		if g.Sequence() >= o.newest || e.followed && !o.rule.TooOld(o.latest, e.next) {
			break
		}
		if e.followed {
			old = append(old, g)
		}
	}
	return old
}

// look sets the horizon: the timestamp by which the first group will be too old.
func (o *Groups[M]) look(clocked bool) {
	first, some := o.firstFollowed()
	if !some {
		o.horizon.clear()
		return
	}
	due := first + min(o.rule.Max, never-first)
	o.horizon.due.Store(due)
	if clocked {
		o.horizon.wake(o.began, Duration(due, o.rule.Scale))
	} else {
		o.horizon.near.Store(true)
	}
}

// firstFollowed returns the following timestamp of the oldest group that has one. This
// group is the next to become too old.
func (o *Groups[M]) firstFollowed() (next uint64, some bool) {
	for _, g := range o.list {
		if e := g.AgeEntry(); e.followed {
			return e.next, true
		}
	}
	return 0, false
}

// follow records the first timestamp of group seq in the groups before it, back to one
// that has a following group already.
func (o *Groups[M]) follow(seq api.GroupSequence, timestamp uint64) {
	for _, g := range slices.Backward(o.list) {
		if g.Sequence() >= seq {
			continue
		}
		e := g.AgeEntry()
		if e.followed {
			return
		}
		e.followed, e.next = true, timestamp
	}
}
