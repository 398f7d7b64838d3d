package relay

import (
	"cmp"
	"context"
	"slices"

	"github.com/moqlite/moqlite/api"
)

// A route is a session by which a broadcast can be had. Relay.mu guards it.
type route struct {
	session      *upstream
	announcement api.Announcement
	broadcast    *broadcast
	number       uint64 // in the order in which they came
}

// compareRoutes is below 0 when a is preferred to b.
func compareRoutes(a, b *route) int {
	return cmp.Or(api.CompareRoutes(a.announcement, b.announcement), cmp.Compare(b.number, a.number))
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

// add takes in a route to what a session has announced.
func (r *Relay) add(s *upstream, a api.Announcement) *route {
	r.mu.Lock()
	defer r.mu.Unlock()
	p := r.places[a.Path]
	if p == nil {
		if r.places == nil {
			r.places = make(map[api.BroadcastPath]*place)
		}
		p = new(place)
		r.places[a.Path] = p
	}
	rt := r.insert(p, s, a)
	r.choose(a.Path, p)
	return rt
}

// update changes the hops and costs of a route, and returns it. Another origin
// is another broadcast, to which there is a new route.
func (r *Relay) update(rt *route, a api.Announcement) *route {
	r.mu.Lock()
	defer r.mu.Unlock()
	p := r.places[a.Path]
	if a.Origin() == rt.broadcast.origin {
		rt.announcement = a
		rt.broadcast.sort()
	} else {
		p.remove(rt)
		rt = r.insert(p, rt.session, a)
	}
	r.choose(a.Path, p)
	return rt
}

// remove takes a route away; nil is none.
func (r *Relay) remove(rt *route) {
	if rt == nil {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	path := rt.announcement.Path
	p := r.places[path]
	p.remove(rt)
	r.choose(path, p)
}

// insert puts a new route into a place. The lock is held.
func (r *Relay) insert(p *place, s *upstream, a api.Announcement) *route {
	r.came++
	rt := &route{session: s, announcement: a, number: r.came}
	rt.broadcast = p.broadcastOf(r, &a)
	rt.broadcast.add(rt)
	return rt
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
func (r *Relay) choose(path api.BroadcastPath, p *place) {
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
