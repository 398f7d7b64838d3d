package relay

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/moqlite/moqlite/api"
)

// A route is a session by which a broadcast can be had. Relay.mu guards it.
type route struct {
	session      *upstream
	announcement api.Announcement
	broadcast    *broadcast
	number       uint64    // in the order in which routes came
	gone         bool      // the session does not announce it any more,
	goneAt       time.Time // since then
}

// A request names a path, and the peer answers it for the publisher that it has
// there at that moment. So an answer belongs to the route by which it was
// requested only if the peer still announces that route: an answer may arrive
// before the announcement of another publisher, but not long before.
//
// crossingWait is how long after an answer an announcement may come that was made
// before it.
const crossingWait = 100 * time.Millisecond

// errGone is why an answer is not used.
var errGone = errors.New("its publisher was withdrawn or replaced meanwhile")

// isAnnounced reports whether the session still announces the route.
func (rt *route) isAnnounced() bool {
	r := rt.broadcast.relay
	r.mu.Lock()
	defer r.mu.Unlock()
	return !rt.gone
}

// withdrawal returns when the session has withdrawn the route. It reports false
// if the session announces something at the path.
func (rt *route) withdrawal() (at time.Time, withdrawn bool) {
	r := rt.broadcast.relay
	r.mu.Lock()
	defer r.mu.Unlock()
	return rt.goneAt, rt.gone && rt.session.routes[rt.broadcast.announced] == nil
}

// isReplaced reports whether the session announces another publisher instead.
func (rt *route) isReplaced() bool {
	r := rt.broadcast.relay
	r.mu.Lock()
	defer r.mu.Unlock()
	return rt.gone && rt.session.routes[rt.broadcast.announced] != nil
}

// staysAnnounced reports whether the route still stands after a while.
func (rt *route) staysAnnounced(ctx context.Context, d time.Duration) bool {
	select {
	case <-time.After(d):
		return rt.isAnnounced()
	case <-ctx.Done():
		return false
	}
}

// compareRoutes is negative if a is preferred to b. A route whose peer has
// asked us to leave comes after all others.
func compareRoutes(a, b *route) int {
	switch {
	case a.session.leaving == b.session.leaving:
		return cmp.Or(api.CompareRoutes(a.announcement, b.announcement), cmp.Compare(b.number, a.number))
	case a.session.leaving:
		return 1
	default:
		return -1
	}
}

// sameOrigin reports whether two routes lead to one publisher.
func sameOrigin(a, b *route) bool { return a.broadcast.isSamePublisher(b.broadcast) }

// isSamePublisher reports whether two broadcasts are of one publisher.
func (b *broadcast) isSamePublisher(other *broadcast) bool {
	return b.publisher == other.publisher || b.origin != 0 && b.origin == other.origin
}

// endsSoonWithin is how long before the end of its session a reset may be a part of
// that end.
const endsSoonWithin = 100 * time.Millisecond

// endsSoon reports whether the route's session has ended or does so in a moment:
// then a reset just before says nothing about the contents.
func (rt *route) endsSoon(ctx context.Context) bool {
	ctx, cancel := context.WithTimeout(ctx, endsSoonWithin)
	defer cancel()
	select {
	case <-rt.session.Context().Done():
		return true
	case <-ctx.Done():
		return rt.session.Context().Err() != nil
	}
}

// withdrawnWithin is how long after a reset the withdrawal that explains it may
// come: a session that reconnects (package redial) reports a withdrawal half a
// second late.
const withdrawnWithin = 600 * time.Millisecond

// isLost reports whether the route is lost, or is so in a moment. Until then
// its peer may answer for another publisher, or for one that is reached through
// this relay.
func (rt *route) isLost(ctx context.Context) bool {
	ctx, cancel := context.WithTimeout(ctx, withdrawnWithin)
	defer cancel()
	for {
		routes, _, changed := rt.broadcast.ownRoutes()
		if !slices.Contains(routes, rt) {
			return true
		}
		select {
		case <-changed:
		case <-rt.session.Context().Done():
		case <-ctx.Done():
			return false
		}
	}
}

// defaultAnnouncements is the default of Relay.Announcements.
const defaultAnnouncements = 1_000_000

// holdFor is how long a withdrawal is held back: if the publisher returns in
// that time, it was never gone for those downstream.
const holdFor = 600 * time.Millisecond

// A place is what is announced at one path: broadcasts of different origins, of
// which one is published. Relay.mu guards it.
type place struct {
	broadcasts []*broadcast
	used       *broadcast
	withdraw   context.CancelFunc
	hold       *time.Timer // set while used has no route; withdraws it
	waiting    bool        // the program publishes the path itself
	distance   int         // number of hops in what was announced last
	loopTimer  *time.Timer // set while routes that may lead back here are not used
}

// best returns the preferred route of all that are not in doubt, or nil.
func (p *place) best() *route {
	var best *route
	for _, b := range p.broadcasts {
		if len(b.routes) > 0 && !p.mayLoop(b.routes[0]) && (best == nil || compareRoutes(b.routes[0], best) < 0) {
			best = b.routes[0]
		}
	}
	return best
}

// applyAnnouncement applies an announcement of a session.
func (u *upstream) applyAnnouncement(a api.Announcement) {
	u.relay.mu.Lock()
	defer u.relay.mu.Unlock()
	rt := u.routes[a.Path]
	switch {
	case a.Status == api.AnnouncementEnded:
		u.removeRoute(a.Path)
	case rt == nil && u.mayAdd(a.Path):
		u.addRoute(a)
	case rt == nil:
		u.dropAnnouncement(a.Path)
	case a.Origin() == rt.broadcast.origin:
		rt.announcement = a
		rt.broadcast.sortRoutes()
		u.relay.choosePublished(a.Path)
	default: // another origin is another broadcast
		u.relay.places[a.Path].removeRoute(rt)
		u.addRoute(a)
	}
}

// withdrawRoutes removes the routes to some paths.
func (u *upstream) withdrawRoutes(paths map[api.BroadcastPath]struct{}) {
	for path := range paths {
		u.relay.mu.Lock()
		u.removeRoute(path)
		u.relay.mu.Unlock()
	}
}

// withdrawAll removes all routes.
func (u *upstream) withdrawAll() { u.withdrawRoutes(u.knownPaths()) }

// knownPaths returns the paths of all routes.
func (u *upstream) knownPaths() map[api.BroadcastPath]struct{} {
	u.relay.mu.Lock()
	defer u.relay.mu.Unlock()
	paths := make(map[api.BroadcastPath]struct{}, len(u.routes))
	for path := range u.routes {
		paths[path] = struct{}{}
	}
	return paths
}

// markLeaving makes other routes preferred to the session's, whose peer is about to
// end it. What the session still serves goes on until another route serves it.
func (u *upstream) markLeaving() {
	u.relay.mu.Lock()
	defer u.relay.mu.Unlock()
	u.leaving = true
	for path, rt := range u.routes {
		rt.broadcast.sortRoutes()
		u.relay.choosePublished(path)
	}
}

// addRoute adds a new route. The lock is held.
func (u *upstream) addRoute(a api.Announcement) {
	r := u.relay
	p := r.places[a.Path]
	if p == nil {
		if r.places == nil {
			r.places = make(map[api.BroadcastPath]*place)
		}
		p = new(place)
		r.places[a.Path] = p
	}
	r.came++
	rt := &route{session: u, announcement: a, number: r.came}
	rt.broadcast = p.broadcastOf(rt)
	if rt.broadcast == nil {
		rt.broadcast = p.newBroadcast(r, &a)
	}
	rt.broadcast.addRoute(rt)
	u.routes[a.Path] = rt
	r.logLoopWait(p, rt)
	r.choosePublished(a.Path)
}

// newBroadcast adds a broadcast to a place.
func (p *place) newBroadcast(r *Relay, a *api.Announcement) *broadcast {
	b := newBroadcast(r, a.Path, a.Origin())
	b.listed = true
	p.broadcasts = append(p.broadcasts, b)
	return b
}

// beginNew handles a publisher of the same identity that does not continue
// the numbers of its broadcast: from now on the route leads to a new broadcast,
// which is announced in the place of b. A broadcast below the announced path
// begins anew by itself, and nothing else changes.
func (b *broadcast) beginNew(rt *route) {
	u, r, path := rt.session, b.relay, b.announced
	r.mu.Lock()
	defer r.mu.Unlock()
	if rt.broadcast != b || u.routes[path] != rt {
		return // it did before, or is gone, or is one below
	}
	p := r.places[path]
	p.removeRoute(rt)
	r.came++
	anew := &route{session: u, announcement: rt.announcement, number: r.came}
	anew.broadcast = p.newBroadcast(r, &anew.announcement)
	anew.broadcast.addRoute(anew)
	u.routes[path] = anew
	r.choosePublished(path)
}

// mayAdd reports whether there is room for another route, to path. The lock is
// held.
func (u *upstream) mayAdd(path api.BroadcastPath) bool {
	r := u.relay
	limit := cmp.Or(r.Announcements, defaultAnnouncements)
	return len(u.routes) < (limit+1)/2 && (r.places[path] != nil || len(r.places) < limit)
}

// dropAnnouncement leaves out what a session announces beyond its share. The
// lock is held.
func (u *upstream) dropAnnouncement(path api.BroadcastPath) {
	if !u.dropping {
		u.dropping = true
		u.relay.log("announcements dropped", u, fmt.Errorf("%q and others: the limit of this session (it has %d) or of all sessions is reached", string(path), len(u.routes)))
	}
}

// removeRoute removes the route to path, if there is one. The lock is held.
func (u *upstream) removeRoute(path api.BroadcastPath) {
	rt := u.routes[path]
	if rt == nil {
		return
	}
	delete(u.routes, path)
	u.relay.places[path].removeRoute(rt)
	u.relay.choosePublished(path)
}

// broadcastOf returns the broadcast that a new route leads to: the latest of
// its origin, nil if there is none. If a session has withdrawn its broadcast
// and announces it again, that is a new one, whatever its origin.
func (p *place) broadcastOf(rt *route) *broadcast {
	from := rt.announcement.Origin()
	for _, b := range slices.Backward(p.broadcasts) {
		if from != 0 && b.origin == from && (len(b.routes) > 0 || b.left != rt.session) {
			return b
		}
	}
	return nil
}

// removeRoute removes a route, and its broadcast if that has no other. The
// broadcast in use stays: choose withdraws it.
func (p *place) removeRoute(rt *route) {
	b := rt.broadcast
	b.removeRoute(rt)
	if b != p.used {
		p.removeIfUnused(b)
	}
}

// removeIfUnused removes a broadcast if it has no route.
func (p *place) removeIfUnused(b *broadcast) {
	if len(b.routes) > 0 {
		return
	}
	p.broadcasts = slices.DeleteFunc(p.broadcasts, func(other *broadcast) bool { return other == b })
	b.listed = false
	b.changed.Tell()
}

// choosePublished announces the broadcast of a place's preferred route. The lock is
// held.
func (r *Relay) choosePublished(path api.BroadcastPath) {
	p := r.places[path]
	best := p.best()
	switch {
	case best == nil && p.hasUnknownOrigin():
		r.withdrawPlace(path, p)
	case best == nil && p.used != nil:
		r.holdWithdrawal(path, p)
	case best == nil:
		r.deleteIfEmpty(path, p)
	case best.broadcast == p.used:
		p.cancelHold()
		p.distance = len(best.announcement.Hops)
		_ = r.mux.Update(best.announcement)
	default:
		p.withdrawPublished()
		r.publish(p, best)
	}
}

// holdWithdrawal withdraws the broadcast of a place after holdFor, unless it
// has a route again by then. The lock is held.
func (r *Relay) holdWithdrawal(path api.BroadcastPath, p *place) {
	if p.hold != nil {
		return
	}
	var timer *time.Timer
	timer = time.AfterFunc(holdFor, func() {
		r.mu.Lock()
		defer r.mu.Unlock()
		if p.hold == timer { // nothing has come meanwhile
			r.withdrawPlace(path, p)
		}
	})
	p.hold = timer
}

// cancelHold ends the hold of a withdrawal, if there is one.
func (p *place) cancelHold() {
	if p.hold != nil {
		p.hold.Stop()
		p.hold = nil
	}
}

// withdrawPublished withdraws what is published, if anything is.
func (p *place) withdrawPublished() {
	p.cancelHold()
	if p.used != nil {
		p.withdraw()
		p.removeIfUnused(p.used)
		p.used, p.withdraw = nil, nil
	}
}

// publish announces the broadcast of a route. The lock is held.
func (r *Relay) publish(p *place, rt *route) {
	ctx, cancel := context.WithCancel(context.Background())
	if err := r.mux.Announce(ctx, rt.announcement, rt.broadcast); err != nil {
		cancel()
		r.log("cannot publish "+string(rt.announcement.Path), rt.session, err)
		if errors.Is(err, api.ErrDuplicatePath) {
			r.publishLater(p, rt)
		}
		return
	}
	p.used, p.withdraw = rt.broadcast, cancel
	p.distance = len(rt.announcement.Hops)
	p.endLoopWait()
}

// publishLater waits until the program, which publishes at the path itself, has
// ended that, and then publishes the preferred route. The lock is held.
func (r *Relay) publishLater(p *place, rt *route) {
	path := rt.announcement.Path
	own, err := r.mux.Lookup(path)
	switch {
	case err != nil || own.Path() != path: // it just has
		r.publish(p, rt)
		return
	case p.waiting:
		return
	}
	p.waiting, p.distance = true, 0
	context.AfterFunc(own.Context(), func() {
		r.mu.Lock()
		defer r.mu.Unlock()
		p.waiting = false
		if r.places[path] == p && p.used == nil {
			r.beginLoopWait(path, p) // what the program published may come round
			r.choosePublished(path)
		}
	})
}
