package relay

import (
	"cmp"
	"context"
	"slices"
	"time"

	"github.com/moqlite/moqlite/api"
)

// A route is a session by which a broadcast can be had. Relay.mu guards it.
type route struct {
	session      *upstream
	announcement api.Announcement
	broadcast    *broadcast
	number       uint64 // in the order in which they came
}

// compareRoutes is below 0 when a is preferred to b: first of all, one whose
// peer has not asked us to leave.
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

// sameOrigin tells whether two routes lead to one publisher.
func sameOrigin(a, b *route) bool {
	return a.broadcast == b.broadcast || a.broadcast.origin != 0 && a.broadcast.origin == b.broadcast.origin
}

// fading is how long before its end what a session resets is a part of that.
const fading = 100 * time.Millisecond

// fades tells whether the route's session has ended, or does in a moment: what
// it has reset just now says nothing of the contents then.
func (rt *route) fades(ctx context.Context) bool {
	ctx, cancel := context.WithTimeout(ctx, fading)
	defer cancel()
	select {
	case <-rt.session.Context().Done():
		return true
	case <-ctx.Done():
		return rt.session.Context().Err() != nil
	}
}

// A place is what is announced at one path: broadcasts of different origins, of
// which one is published. Relay.mu guards it.
type place struct {
	broadcasts []*broadcast
	used       *broadcast
	withdraw   context.CancelFunc
}

// best is the preferred route of all, nil for none.
func (p *place) best() *route {
	var best *route
	for _, b := range p.broadcasts {
		if len(b.routes) > 0 && (best == nil || compareRoutes(b.routes[0], best) < 0) {
			best = b.routes[0]
		}
	}
	return best
}

// take takes in what a session announces.
func (u *upstream) take(a api.Announcement) {
	u.relay.mu.Lock()
	defer u.relay.mu.Unlock()
	rt := u.routes[a.Path]
	switch {
	case a.Status == api.AnnouncementEnded:
		u.remove(a.Path)
	case rt == nil:
		u.add(a)
	case a.Origin() == rt.broadcast.origin:
		rt.announcement = a
		rt.broadcast.sort()
		u.relay.choose(a.Path)
	default: // another origin is another broadcast
		u.relay.places[a.Path].remove(rt)
		u.add(a)
	}
}

// withdraw takes away the routes to some paths.
func (u *upstream) withdraw(paths map[api.BroadcastPath]struct{}) {
	for path := range paths {
		u.relay.mu.Lock()
		u.remove(path)
		u.relay.mu.Unlock()
	}
}

// withdrawAll takes away all routes.
func (u *upstream) withdrawAll() { u.withdraw(u.known()) }

// known are the paths of all routes.
func (u *upstream) known() map[api.BroadcastPath]struct{} {
	u.relay.mu.Lock()
	defer u.relay.mu.Unlock()
	paths := make(map[api.BroadcastPath]struct{}, len(u.routes))
	for path := range u.routes {
		paths[path] = struct{}{}
	}
	return paths
}

// leave has other routes be preferred to the session's, which has little time
// left. What it still serves goes on until another route serves it.
func (u *upstream) leave() {
	u.relay.mu.Lock()
	defer u.relay.mu.Unlock()
	u.leaving = true
	for path, rt := range u.routes {
		rt.broadcast.sort()
		u.relay.choose(path)
	}
}

// add takes in a new route. The lock is held.
func (u *upstream) add(a api.Announcement) {
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
	rt.broadcast = p.broadcastOf(r, &a)
	rt.broadcast.add(rt)
	u.routes[a.Path] = rt
	r.choose(a.Path)
}

// remove takes the route to path away, if there is one. The lock is held.
func (u *upstream) remove(path api.BroadcastPath) {
	rt := u.routes[path]
	if rt == nil {
		return
	}
	delete(u.routes, path)
	u.relay.places[path].remove(rt)
	u.relay.choose(path)
}

// broadcastOf is the broadcast of an announcement's origin.
func (p *place) broadcastOf(r *Relay, a *api.Announcement) *broadcast {
	from := a.Origin()
	for _, b := range p.broadcasts {
		if from != 0 && b.origin == from {
			return b
		}
	}
	b := newBroadcast(r, a.Path, from)
	p.broadcasts = append(p.broadcasts, b)
	return b
}

// remove takes a route out, and its broadcast if that has no other.
func (p *place) remove(rt *route) {
	b := rt.broadcast
	b.remove(rt)
	if len(b.routes) == 0 {
		p.broadcasts = slices.DeleteFunc(p.broadcasts, func(other *broadcast) bool { return other == b })
	}
}

// choose has the preferred route of a place be the one that is announced. The
// lock is held.
func (r *Relay) choose(path api.BroadcastPath) {
	p := r.places[path]
	best := p.best()
	if best != nil && best.broadcast == p.used {
		_ = r.mux.Update(best.announcement)
		return
	}
	if p.withdraw != nil {
		p.withdraw()
	}
	p.used, p.withdraw = nil, nil
	if best == nil {
		delete(r.places, path)
		return
	}
	ctx, cancel := context.WithCancel(context.Background())
	if err := r.mux.Announce(ctx, best.announcement, best.broadcast); err != nil {
		cancel() // the program publishes there itself
		r.log("cannot publish "+string(path), best.session, err)
		return
	}
	p.used, p.withdraw = best.broadcast, cancel
}
