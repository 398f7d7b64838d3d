package session

import (
	"slices"

	"github.com/moqlite/moqlite/transport"
)

// The urgencies of the transport, of which 0 is first.
const (
	setupUrgency = 0 // of SETUP, as of control streams

	firstUrgency = 1
	lastUrgency  = 6 // of those that are told apart
	restUrgency  = 7 // of those beyond
)

// groupUrgencies are the urgencies that groups may have, first to lastUrgency, and
// the usual one of groups while none goes before others: it leaves room for what
// comes later and goes first, which is what mostly comes. Where control streams
// can be ranked the usual one is that which streams begin with, and costs nothing.
// Else control streams keep that one, and all groups stay behind it: who writes
// groups without a pause would hold up the answers to requests for good.
func groupUrgencies(control transport.Stream) (first, usual int8) {
	if _, ranked := control.(transport.Prioritizer); ranked {
		return firstUrgency, transport.DefaultUrgency
	}
	return transport.DefaultUrgency + 1, transport.DefaultUrgency + 2
}

// tellUrgencies tells the transport in which order to send what is being
// written: groups of equal rank share an urgency, and take turns. An urgency
// that is in order stays as it is, since each change costs the transport an
// entry in its queue. The lock of the egress is held.
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

// spread gives urgencies to the writes, from the last class of rank to the
// first. Without anew, a class that has one keeps it; spread then reports
// false when that leaves no room.
func (e *egress) spread(anew bool) bool {
	class := e.countClasses()
	levels := int(lastUrgency - e.first + 1)
	behind := int8(lastUrgency + 1) // the urgency of the class behind
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

// classBefore is where the class of rank begins that ends at end.
func (e *egress) classBefore(end int) int {
	start := end - 1
	for start > 0 && compareRank(e.writing[start-1].group, e.writing[start].group) == 0 {
		start--
	}
	return start
}

// countClasses counts the different ranks among the writes.
func (e *egress) countClasses() (n int) {
	for end := len(e.writing); end > 0; n++ {
		end = e.classBefore(end)
	}
	return n
}

// urgencyOf is the urgency that a class has, 0 for none.
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

// setUrgency has the group's stream sent with an urgency, from its opening on.
// The lock of the egress is held.
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

// opened gives a stream that was just opened its urgency. It reports false where
// the transport cannot rank streams.
func opened(stream transport.SendStream, u int8) bool {
	if u == transport.DefaultUrgency {
		_, ok := stream.(transport.Prioritizer)
		return ok
	}
	return prioritize(stream, u)
}

// prioritize reports false where the transport cannot rank streams.
func prioritize(stream transport.SendStream, u int8) bool {
	p, ok := stream.(transport.Prioritizer)
	if ok {
		p.SetPriority(u, true)
	}
	return ok
}
