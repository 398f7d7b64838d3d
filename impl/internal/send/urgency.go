package send

import (
	"slices"

	"github.com/moqlite/moqlite/transport"
)

// The urgencies of streams. The transport sends the lowest number first.
const (
	firstUrgency = 1 // the first for groups
	lastUrgency  = 6 // the last that tells ranks apart
	restUrgency  = 7 // for all ranks beyond
)

// groupUrgencies returns the first urgency that groups may have, and the usual one, of
// groups while all are of equal rank. ranked tells whether the transport can prioritize
// control streams. The usual one leaves room in front, since groups that come later
// mostly rank higher.
//
// If the transport can prioritize control streams, the usual urgency is the one that
// streams have by default, so setting it costs nothing. Otherwise control streams keep
// the default, and all groups get a later urgency: a writer that never pauses would
// otherwise block the answers to requests.
func groupUrgencies(ranked bool) (first, usual int8) {
	if ranked {
		return firstUrgency, transport.DefaultUrgency
	}
	return transport.DefaultUrgency + 1, transport.DefaultUrgency + 2
}

// updateUrgencies sets the urgencies of the streams that are being written, by rank.
// Groups of equal rank share an urgency, and take turns. An urgency that fits is kept,
// since each change costs the transport an entry in its queue. The lock is held.
func (q *Queue) updateUrgencies() {
	if q.plain.Load() || len(q.writing) == 0 {
		return
	}
	if len(q.writing) == 1 {
		if g := q.writing[0].group; g.urgency == 0 || g.urgency == restUrgency {
			g.setUrgency(q.usual)
		}
		return
	}
	slices.SortStableFunc(q.writing, func(a, b *slot) int { return compareRank(a.group, b.group) })
	if !q.spread(false) {
		q.spread(true)
	}
}

// spread sets the urgencies of the writes, from the lowest rank to the highest. A class
// is the writes of equal rank. Unless anew is set, a class that has an urgency keeps
// it; spread returns false if that leaves too few for the others. The lock is held.
func (q *Queue) spread(anew bool) bool {
	class := q.countClasses()
	levels := int(lastUrgency - q.first + 1)
	behind := int8(lastUrgency + 1) // the urgency of the class of the next lower rank
	for end := len(q.writing); end > 0; class-- {
		start := q.classBefore(end)
		members := q.writing[start:end]
		end = start
		if class > levels {
			setUrgencies(members, restUrgency)
			continue
		}
		u := urgencyOf(members)
		switch {
		case class == 1 && behind > lastUrgency && (anew || u == 0):
			u = q.usual
		case anew || u == 0:
			u = behind - 1
		}
		if u >= behind || u < q.first+int8(class)-1 {
			return false
		}
		setUrgencies(members, u)
		behind = u
	}
	return true
}

// classBefore returns the index at which the class begins that ends at end.
func (q *Queue) classBefore(end int) int {
	start := end - 1
	for start > 0 && compareRank(q.writing[start-1].group, q.writing[start].group) == 0 {
		start--
	}
	return start
}

// countClasses returns the number of different ranks among the writes.
func (q *Queue) countClasses() (n int) {
	for end := len(q.writing); end > 0; n++ {
		end = q.classBefore(end)
	}
	return n
}

// urgencyOf returns the urgency that a class has, 0 for none.
func urgencyOf(class []*slot) int8 {
	for _, s := range class {
		if u := s.group.urgency; u != 0 && u != restUrgency {
			return u
		}
	}
	return 0
}

func setUrgencies(class []*slot, u int8) {
	for _, s := range class {
		s.group.setUrgency(u)
	}
}

// setUrgency sets the urgency of the group's stream, or the one that it will be opened
// with. Queue.mu is held, and the group's lock is not.
func (g *Group) setUrgency(u int8) {
	if g.urgency == u {
		return
	}
	g.mu.Lock()
	g.urgency = u
	stream := g.stream
	g.mu.Unlock()
	if stream.isOpen() {
		stream.prioritize(u)
	}
}
