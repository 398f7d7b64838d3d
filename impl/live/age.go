package live

import (
	"sort"
	"time"

	"github.com/moqlite/moqlite/api"
)

// The age of groups is counted as moq-lite-06 has it: a group is too old when
// the newest timestamp of the newest group is the max age or more after the
// first one of the group that follows. A group whose follower has no frame is
// not.

// stamp notes that a frame of a group begins. Frames that are not stamped
// count as of when they were written.
func (c *cache) stamp(g *group, timestamp uint64) {
	if g.released {
		return
	}
	if timestamp == 0 {
		timestamp = units(time.Since(c.began), c.scale)
	}
	if !g.stamped {
		g.stamped, g.stamp = true, timestamp
	}
	switch {
	case c.newest == nil || g.seq > c.newest.seq:
		c.newest, c.latest = g, timestamp
	case g == c.newest:
		c.latest = max(c.latest, timestamp)
	}
}

// tooOld tells whether a group that is held is, for a max age in the timescale.
func (c *cache) tooOld(g *group, maxAge uint64) bool {
	i, found := c.find(g.seq)
	return found && c.past(i+1, maxAge)
}

// tooLate tells whether a group that was not opened would be too old.
func (c *cache) tooLate(seq api.GroupSequence, maxAge uint64) bool {
	i, _ := c.find(seq)
	return c.past(i, maxAge)
}

// firstFresh is where the groups begin that are not too old.
func (c *cache) firstFresh(maxAge uint64) int {
	return sort.Search(len(c.groups), func(i int) bool { return !c.past(i+1, maxAge) })
}

// past tells whether the i-th group began the max age ago, or more.
func (c *cache) past(i int, maxAge uint64) bool {
	if i >= len(c.groups) || !c.groups[i].stamped {
		return false
	}
	began := c.groups[i].stamp
	return c.latest >= began && c.latest-began >= maxAge
}

// maxAge is the lesser of what the subscriber and the publisher say, in the
// timescale.
func (c *cache) maxAge(subscriber, publisher time.Duration) uint64 {
	age := publisher
	if age == 0 {
		age = defaultMaxLatency
	}
	if subscriber != 0 {
		age = min(age, subscriber)
	}
	return units(max(age, 0), c.scale)
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
