package session

import (
	"slices"

	"github.com/moqlite/moqlite/transport"
)

// The urgencies of streams. The transport sends the lowest number first.
const (
	setupUrgency = 0 // of SETUP; control streams have the same

	firstUrgency = 1 // the first for groups
	lastUrgency  = 6 // the last that tells ranks apart
	restUrgency  = 7 // for all ranks beyond
)

// groupUrgencies returns the first urgency that groups may have, and the usual one, of
// groups while all are of equal rank. The usual one leaves room in front, since groups
// that come later mostly rank higher.
//
// If the transport can prioritize control streams, the usual urgency is the one that
// streams have by default, so setting it costs nothing. Otherwise control streams keep
// the default, and all groups get a later urgency: a writer that never pauses would
// otherwise block the answers to requests.
func groupUrgencies(control transport.Stream) (first, usual int8) {
	if _, ranked := control.(transport.Prioritizer); ranked {
		return firstUrgency, transport.DefaultUrgency
	}
	return transport.DefaultUrgency + 1, transport.DefaultUrgency + 2
}

// tellUrgencies sets the urgencies of the streams that are being written, by rank.
// Groups of equal rank share an urgency, and take turns. An urgency that fits is kept,
// since each change costs the transport an entry in its queue. The lock of the egress
// is held.
func (e *egress) tellUrgencies() {
	if e.plain.Load() || len(e.writing) == 0 {
		return
	}
	if len(e.writing) == 1 {
		if g := e.writing[0].group; g.urgency == 0 || g.urgency == restUrgency {
			g.setUrgency(e.usual)
		}
		return
	}
	slices.SortStableFunc(e.writing, func(a, b *slot) int { return compareRank(a.group, b.group) })
	if !e.spread(false) {
		e.spread(true)
	}
}

// spread sets the urgencies of the writes, from the lowest rank to the highest. A class
// is the writes of equal rank. Unless anew is set, a class that has an urgency keeps
// it; spread returns false if that leaves too few for the others.
func (e *egress) spread(anew bool) bool {
	class := e.countClasses()
	levels := int(lastUrgency - e.first + 1)
	behind := int8(lastUrgency + 1) // the urgency of the class of the next lower rank
	for end := len(e.writing); end > 0; class-- {
		start := e.classBefore(end)
		members := e.writing[start:end]
		end = start
		if class > levels {
			setUrgencies(members, restUrgency)
			continue
		}
		u := urgencyOf(members)
		switch {
		case class == 1 && behind > lastUrgency && (anew || u == 0):
			u = e.usual
		case anew || u == 0:
			u = behind - 1
		}
		if u >= behind || u < e.first+int8(class)-1 {
			return false
		}
		setUrgencies(members, u)
		behind = u
	}
	return true
}

// classBefore returns the index at which the class begins that ends at end.
func (e *egress) classBefore(end int) int {
	start := end - 1
	for start > 0 && compareRank(e.writing[start-1].group, e.writing[start].group) == 0 {
		start--
	}
	return start
}

// countClasses returns the number of different ranks among the writes.
func (e *egress) countClasses() (n int) {
	for end := len(e.writing); end > 0; n++ {
		end = e.classBefore(end)
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
// with. The lock of the egress is held.
func (g *groupWriter) setUrgency(u int8) {
	if g.urgency == u {
		return
	}
	g.mu.Lock()
	g.urgency = u
	stream := g.stream
	g.mu.Unlock()
	if stream != nil {
		prioritize(stream, u)
	}
}

// opened sets the urgency of a stream that was just opened. It reports false if the
// transport cannot prioritize streams.
func opened(stream transport.SendStream, u int8) bool {
	if u == transport.DefaultUrgency {
		_, ok := stream.(transport.Prioritizer)
		return ok
	}
	return prioritize(stream, u)
}

// prioritize sets the urgency of a stream. It reports false if the transport cannot
// prioritize streams.
func prioritize(stream transport.SendStream, u int8) bool {
	p, ok := stream.(transport.Prioritizer)
	if ok {
		p.SetPriority(u, true)
	}
	return ok
}
