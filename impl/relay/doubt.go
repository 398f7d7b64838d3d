package relay

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"github.com/moqlite/moqlite/api"
)

// doubtFor is how long a route that may lead back to this relay has to stand
// before it is used: longer than a withdrawal takes to go round a ring of
// relays.
const doubtFor = 5 * time.Second

// doubts reports whether a route may lead back to this relay through a ring of
// relays on moq-lite-03, which tells the number of hops but not which. It
// cannot if the peer is nearer to the publisher than this relay: the
// feasibility condition of distance-vector routing (DUAL). Without it, the
// relays of a ring would count to infinity: after a publisher has left, they
// would pass its announcement on to each other, with more hops each time.
func (p *place) doubts(rt *route) bool {
	tells := p.used != nil || p.waiting || p.doubt != nil
	return tells && unknownHops(&rt.announcement) > max(p.distance, 1)
}

// unknownHops returns how many hops at the beginning of a chain are unknown.
func unknownHops(a *api.Announcement) int {
	for i, hop := range a.Hops {
		if hop != 0 {
			return i
		}
	}
	return len(a.Hops)
}

// nameless reports whether the broadcast in use came through other relays from
// an unknown origin. Its withdrawal is not held: nobody could tell that its
// publisher is back, and the relays of a ring would each hold it in turn.
func (p *place) nameless() bool {
	return p.used != nil && p.used.origin == 0 && p.distance > 1
}

// mayComeRound reports whether this relay would not recognise its own
// announcement if others announced it back, or whether they seem to do so
// already.
func (p *place) mayComeRound() bool {
	if p.used == nil || p.used.origin == 0 {
		return p.used != nil
	}
	return slices.ContainsFunc(p.broadcasts, func(b *broadcast) bool {
		return slices.ContainsFunc(b.routes, p.doubts)
	})
}

// withdrawn withdraws what is published at a path. If it may come round, the
// place is kept for a while, with its routes in doubt. The lock is held.
func (r *Relay) withdrawn(path api.BroadcastPath, p *place) {
	comesRound := p.mayComeRound()
	p.end()
	if comesRound && len(r.places) <= cmp.Or(r.Announcements, defaultAnnouncements)/2 {
		r.beginDoubt(path, p)
	}
	r.tidy(path, p)
}

// beginDoubt excludes the routes that may lead back to this relay for doubtFor.
// The lock is held.
func (r *Relay) beginDoubt(path api.BroadcastPath, p *place) {
	p.endDoubt()
	var timer *time.Timer
	timer = time.AfterFunc(doubtFor, func() {
		r.mu.Lock()
		defer r.mu.Unlock()
		if p.doubt == timer {
			p.doubt = nil
			r.choose(path)
		}
	})
	p.doubt = timer
	for _, b := range p.broadcasts {
		for _, rt := range b.routes {
			r.logDoubt(p, rt)
		}
	}
}

// logDoubt logs that a route is in doubt, if it is. The lock is held.
func (r *Relay) logDoubt(p *place, rt *route) {
	if p.doubt != nil && p.doubts(rt) {
		r.log("route in doubt", rt.session, fmt.Errorf("%q: what was announced here may have come round, by %d hops that the peer's version does not tell; it is used if it stands for %v",
			string(rt.announcement.Path), unknownHops(&rt.announcement), doubtFor))
	}
}

// endDoubt ends what beginDoubt began. The lock is held.
func (p *place) endDoubt() {
	if p.doubt != nil {
		p.doubt.Stop()
		p.doubt = nil
	}
}

// tidy deletes a place at which nothing is left. The lock is held.
func (r *Relay) tidy(path api.BroadcastPath, p *place) {
	if p.used == nil && p.doubt == nil && len(p.broadcasts) == 0 {
		delete(r.places, path)
	}
}
