package session

import (
	"slices"
	"time"

	"github.com/moqlite/moqlite/api"
)

// openGroups are the groups of a subscription that are being written, in order
// of their numbers. It knows which of them have become too old to be sent: by
// the rule of moq-lite-06, a group is when the newest timestamp of the newest
// group is the max age or more after the first one of the next group. Frames
// that are not stamped count as of when they were written. Most frames make no
// group too old, which the horizon tells without the owner's lock.
type openGroups struct {
	groups []*groupWriter
	began  time.Time

	scale  uint64       // of the timestamps, per second
	maxAge uint64       // in that scale
	newest *groupWriter // that has a frame
	latest uint64       // its newest timestamp, when that was needed last

	horizon horizon
}

// setMaxAge takes the lesser of what the subscriber and the publisher say.
func (o *openGroups) setMaxAge(c *api.SubscribeConfig, info *api.TrackInfo) {
	age := orDefault(info.MaxLatency, defaultMaxAge)
	if c.MaxLatency != 0 {
		age = min(age, c.MaxLatency)
	}
	age = max(age, 0)
	o.scale = orDefault(info.Timescale, defaultTimescale)
	o.maxAge = units(age, o.scale)
	if o.began.IsZero() {
		o.began = time.Now()
	}
	o.horizon.forget()
}

// units is a duration in a timescale.
func units(d time.Duration, scale uint64) uint64 {
	const most = 1 << 62
	n := float64(scale) * d.Seconds()
	if n >= most {
		return most
	}
	return uint64(n)
}

// duration is how long n units of a timescale are.
func duration(n, scale uint64) time.Duration {
	const most = 1 << 62
	return time.Duration(min(float64(n)/float64(scale)*float64(time.Second), most))
}

func (o *openGroups) all() []*groupWriter { return slices.Clone(o.groups) }

// add puts a group in.
func (o *openGroups) add(g *groupWriter) {
	i := len(o.groups)
	for i > 0 && o.groups[i-1].seq > g.seq {
		i--
	}
	o.groups = slices.Insert(o.groups, i, g)
}

// remove takes a group out. It reports false when that was done before.
func (o *openGroups) remove(g *groupWriter) bool {
	i, _ := slices.BinarySearchFunc(o.groups, g.seq, func(g *groupWriter, seq api.GroupSequence) int {
		if g.seq < seq {
			return -1
		}
		return 1
	})
	for i < len(o.groups) && o.groups[i] != g && o.groups[i].seq == g.seq {
		i++
	}
	if i == len(o.groups) || o.groups[i] != g {
		return false
	}
	o.groups = slices.Delete(o.groups, i, i+1)
	if g.followed {
		o.horizon.forget() // it may have been that of the group
	}
	return true
}

// stamp notes that a frame of g begins, and returns the groups that are too old
// now.
func (o *openGroups) stamp(g *groupWriter, timestamp uint64) (old []*groupWriter) {
	if len(o.groups) > 0 && o.groups[0].seq >= g.seq {
		g.stamped = true // and there is none before it
		if o.newest == nil || g.seq > o.newest.seq {
			o.newest = g
		}
		if o.firstFollowed() == nil {
			o.horizon.clear()
		}
		return nil
	}
	clocked := timestamp == 0
	if clocked {
		timestamp = units(time.Since(o.began), o.scale)
	}
	first := !g.stamped
	if first {
		g.stamped = true
		o.follow(g, timestamp)
	}
	if o.newest != nil && g.seq < o.newest.seq {
		if first {
			o.horizon.forget()
		}
		return nil
	}
	o.newest, o.latest = g, timestamp
	if old = o.outdated(); old == nil {
		o.look(clocked)
	}
	return old
}

// outdated are the groups that are too old by the newest timestamp, if the oldest
// one is.
func (o *openGroups) outdated() (old []*groupWriter) {
	for _, older := range o.groups {
		if older.seq >= o.newest.seq || older.followed && !o.tooOld(older) {
			break
		}
		if older.followed {
			old = append(old, older)
		}
	}
	return old
}

// goesOn tells whether a frame makes no group too old and is not the first one of
// g. It is for the goroutine that writes g, which needs no lock.
func (o *openGroups) goesOn(g *groupWriter, timestamp uint64) bool {
	return g.stamped && o.horizon.beyond(timestamp)
}

// look finds out where the horizon is, when the newest timestamp is known.
func (o *openGroups) look(clocked bool) {
	next := o.firstFollowed()
	if next == nil {
		o.horizon.clear()
		return
	}
	due := next.next + min(o.maxAge, never-next.next)
	o.horizon.due.Store(due)
	if clocked {
		o.horizon.wake(o.began, duration(due, o.scale))
	} else {
		o.horizon.near.Store(true)
	}
}

// firstFollowed is the oldest group that knows the next, which is too old before
// those that follow, or nil.
func (o *openGroups) firstFollowed() *groupWriter {
	for _, g := range o.groups {
		if g.followed {
			return g
		}
	}
	return nil
}

// follow has the groups before g, up to one that knows the next, know it.
func (o *openGroups) follow(g *groupWriter, timestamp uint64) {
	for _, older := range slices.Backward(o.groups) {
		if older.seq >= g.seq {
			continue
		}
		if older.followed {
			return
		}
		older.followed, older.next = true, timestamp
	}
}

func (o *openGroups) tooOld(g *groupWriter) bool {
	return o.latest >= g.next && o.latest-g.next >= o.maxAge
}
