package live

import (
	"sort"

	"github.com/moqlite/moqlite/api"
	"github.com/moqlite/moqlite/impl/internal/age"
)

// The cache applies the rule of package age to the groups it holds.
//
// setTimestamp records the timestamp of a frame that begins.
func (c *cache) setTimestamp(g *group, timestamp uint64) {
	if g.released {
		return
	}
	if timestamp == 0 {
		timestamp = age.Now(c.began, c.scale)
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

// tooOld reports whether a group that is held is too old by a rule. What was
// evicted is not held: the caller looks at group.evicted first.
func (c *cache) tooOld(g *group, rule age.Rule) bool {
	i, found := c.find(g.seq)
	return found && c.isTooOldBefore(i+1, rule)
}

// tooLate reports whether a group that was not opened would be too old.
func (c *cache) tooLate(seq api.GroupSequence, rule age.Rule) bool {
	i, _ := c.find(seq)
	return c.isTooOldBefore(i, rule)
}

// firstFresh returns the index of the first group that is not too old.
func (c *cache) firstFresh(rule age.Rule) int {
	return sort.Search(len(c.groups), func(i int) bool { return !c.isTooOldBefore(i+1, rule) })
}

// isTooOldBefore reports whether the group before index i is too old: whether
// the next group's first timestamp is. If that group has no frame yet, the next
// one that has decides, which is no older.
func (c *cache) isTooOldBefore(i int, rule age.Rule) bool {
	for ; i < len(c.groups); i++ {
		if g := c.groups[i]; g.stamped {
			return rule.TooOld(c.latest, g.stamp)
		}
	}
	return false
}
