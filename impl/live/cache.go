package live

import (
	"cmp"
	"errors"
	"slices"
	"time"

	"github.com/moqlite/moqlite/api"
	"github.com/moqlite/moqlite/impl/internal/age"
)

// A cache holds the groups of a track, in order of their numbers. The track's
// lock guards it.
//
// bytes is the sum of held over groups, and within the limits after each write,
// except that the newest group always stays. Groups are evicted from the lowest
// number on, so all below floor are gone and none of them comes back. The lists
// groups and open have no gaps in memory, but may lack numbers.
type cache struct {
	groups []*group
	open   []*group          // those that may be open, in order; see firstOpen
	bytes  int64             // of all groups
	floor  api.GroupSequence // one above the highest number evicted

	scale  uint64 // timestamp units per second
	began  time.Time
	newest *group // the newest that has a frame
	latest uint64 // its newest timestamp
}

func (c *cache) initCache(info *api.TrackInfo) {
	c.scale = info.Timescale
	if c.scale == 0 {
		c.scale = age.DefaultScale
	}
	c.began = time.Now()
}

// find returns the index of the group with a number, or where it would be
// inserted. Tracks hold thousands of small groups, so it must not be linear.
func (c *cache) find(seq api.GroupSequence) (i int, found bool) {
	return slices.BinarySearchFunc(c.groups, seq, bySequence)
}

func bySequence(g *group, seq api.GroupSequence) int { return cmp.Compare(g.seq, seq) }

// from returns the groups from a number on.
func (c *cache) from(seq api.GroupSequence) []*group {
	i, _ := c.find(seq)
	return c.groups[i:]
}

// last returns the newest group, or nil.
func (c *cache) last() *group {
	if len(c.groups) == 0 {
		return nil
	}
	return c.groups[len(c.groups)-1]
}

// insert adds a new group.
func (c *cache) insert(g *group) error {
	i, found := c.find(g.seq)
	if found {
		return errors.New("it was opened before")
	}
	if g.seq < c.floor {
		return &api.StreamError{Code: api.StreamEvicted}
	}
	c.groups = slices.Insert(c.groups, i, g)
	c.firstOpen() // forgets what was written to its end
	i, _ = slices.BinarySearchFunc(c.open, g.seq, bySequence)
	c.open = slices.Insert(c.open, i, g)
	c.bytes += g.held
	return nil
}

// firstOpen returns the oldest group that is not written to its end, or nil. It
// removes the closed groups before it from the list open.
func (c *cache) firstOpen() *group {
	n := 0
	for n < len(c.open) && !c.open[n].isOpen() {
		n++
	}
	clear(c.open[:n])
	c.open = c.open[n:]
	if len(c.open) == 0 {
		return nil
	}
	return c.open[0]
}

// addBytes counts n more bytes for a group. It reports whether other groups were
// evicted to make room.
func (c *cache) addBytes(g *group, n int64, limits *Limits) (evicted bool) {
	g.held += n
	g.touched = time.Now()
	c.bytes += n
	return c.evict(limits, g.touched)
}

// releaseFrames uncounts the frames of a group that is about to be reset. The
// group itself stays, and keeps counting for groupCost, so that its number is
// known as lost and cannot be opened again.
func (c *cache) releaseFrames(g *group) {
	g.released = true
	c.bytes -= g.held - groupCost
	g.held = groupCost
}

// evict drops the oldest groups that exceed the limits. It is called at each
// write and each new group, so a track that nobody writes to keeps what it has,
// and needs no timer.
func (c *cache) evict(limits *Limits, now time.Time) (evicted bool) {
	for len(c.groups) > 1 {
		oldest := c.groups[0]
		if c.bytes <= limits.Bytes && now.Sub(oldest.touched) <= limits.Age {
			break
		}
		c.groups[0] = nil
		c.groups = c.groups[1:]
		c.bytes -= oldest.held
		c.floor = oldest.seq + 1
		oldest.released, oldest.evicted, evicted = true, true, true
		oldest.resetWith(api.StreamEvicted, &api.StreamError{Code: api.StreamEvicted})
	}
	return evicted
}

// clear resets and drops all groups.
func (c *cache) clear(code api.StreamErrorCode, err error) {
	for _, g := range c.groups {
		g.released, g.evicted = true, true
		g.resetWith(code, err)
	}
	c.groups, c.open, c.newest, c.bytes = nil, nil, nil, 0
}
