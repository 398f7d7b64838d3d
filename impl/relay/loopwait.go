package relay

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"github.com/moqlite/moqlite/api"
)

// loopWait is how long a route that may lead back to this relay has to stand
// before it is used: longer than a withdrawal takes to go round a ring of
// relays.
const loopWait = 5 * time.Second

// mayLoop reports whether a route may lead back to this relay through a ring of
// relays on moq-lite-03, which tells the number of hops but not which. It
// cannot if the peer is nearer to the publisher than this relay: the
// feasibility condition of distance-vector routing (DUAL). Without it, the
// relays of a ring would count to infinity: after a publisher has left, they
// would pass its announcement on to each other, with more hops each time.
func (p *place) mayLoop(rt *route) bool {
	tells := p.used != nil || p.waiting || p.loopTimer != nil
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

// hasUnknownOrigin reports whether the broadcast in use came through other
// relays from an unknown origin. Its withdrawal is not held: nobody could tell
// that its publisher is back, and the relays of a ring would each hold it in
// turn.
func (p *place) hasUnknownOrigin() bool {
	return p.used != nil && p.used.origin == 0 && p.distance > 1
}

// mayReturn reports whether this relay would not recognise its own
// announcement if others announced it back, or whether they seem to do so
// already.
func (p *place) mayReturn() bool {
	if p.used == nil || p.used.origin == 0 {
		return p.used != nil
	}
	return slices.ContainsFunc(p.broadcasts, func(b *broadcast) bool {
		return slices.ContainsFunc(b.routes, p.mayLoop)
	})
}

// withdrawPlace withdraws what is published at a path. If it may come round, the
// place is kept for a while, with its routes in doubt. The lock is held.
func (r *Relay) withdrawPlace(path api.BroadcastPath, p *place) {
	comesRound := p.mayReturn()
	p.withdrawPublished()
	if comesRound && len(r.places) <= cmp.Or(r.Announcements, defaultAnnouncements)/2 {
		r.beginLoopWait(path, p)
	}
	r.deleteIfEmpty(path, p)
}

// beginLoopWait excludes the routes that may lead back to this relay for loopWait.
// The lock is held.
func (r *Relay) beginLoopWait(path api.BroadcastPath, p *place) {
	p.endLoopWait()
	var timer *time.Timer
	timer = time.AfterFunc(loopWait, func() {
		r.mu.Lock()
		defer r.mu.Unlock()
		if p.loopTimer == timer {
			p.loopTimer = nil
			r.choosePublished(path)
		}
	})
	p.loopTimer = timer
	for _, b := range p.broadcasts {
		for _, rt := range b.routes {
			r.logLoopWait(p, rt)
		}
	}
}

// logLoopWait logs that a route is in doubt, if it is. The lock is held.
func (r *Relay) logLoopWait(p *place, rt *route) {
	if p.loopTimer != nil && p.mayLoop(rt) {
		r.log("route may be a loop", rt.session, fmt.Errorf("%q: this may be what was announced here, back by %d hops that the peer's version does not name; it is used if it is still announced after %v",
			string(rt.announcement.Path), unknownHops(&rt.announcement), loopWait))
	}
}

// endLoopWait ends what beginLoopWait began. The lock is held.
func (p *place) endLoopWait() {
	if p.loopTimer != nil {
		p.loopTimer.Stop()
		p.loopTimer = nil
	}
}

// deleteIfEmpty deletes a place at which nothing is left. The lock is held.
func (r *Relay) deleteIfEmpty(path api.BroadcastPath, p *place) {
	if p.used == nil && p.loopTimer == nil && len(p.broadcasts) == 0 {
		delete(r.places, path)
	}
}
