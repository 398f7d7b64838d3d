package relay

import (
	"cmp"
	"context"
	"slices"

	"github.com/moqlite/moqlite/api"
)

// An upstream is a session that announces. Each has one, by which it is told
// from others.
type upstream struct{ api.Session }

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

// origin is who publishes, as far as that is known: 0 is unknown, and like no
// other.
func origin(a *api.Announcement) api.Hop {
	if len(a.Hops) == 0 {
		return 0
	}
	return a.Hops[0]
}

// A place is what is announced at one path: broadcasts of different origins, of
// which one is published. Relay.mu guards it.
type place struct {
	broadcasts []*broadcast
	used       *broadcast
	told       *route // by which used is announced
	withdraw   context.CancelFunc
}

// best is the preferred route of all.
func (p *place) best() *route {
	var best *route
	for _, b := range p.broadcasts {
		if len(b.routes) > 0 && (best == nil || compareRoutes(b.routes[0], best) < 0) {
			best = b.routes[0]
		}
	}
	return best
}

// add takes in a route.
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
	r.came++
	rt := &route{session: s, announcement: a, number: r.came}
	rt.broadcast = p.broadcastOf(r, &a)
	rt.broadcast.add(rt)
	r.choose(a.Path, p)
	return rt
}

// broadcastOf is the broadcast of an announcement's origin.
func (p *place) broadcastOf(r *Relay, a *api.Announcement) *broadcast {
	from := origin(a)
	for _, b := range p.broadcasts {
		if from != 0 && b.origin == from {
			return b
		}
	}
	b := newBroadcast(r, a.Path, from)
	p.broadcasts = append(p.broadcasts, b)
	return b
}

// remove takes a route away; nil is none.
func (r *Relay) remove(rt *route) {
	if rt == nil {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	path, b := rt.announcement.Path, rt.broadcast
	p := r.places[path]
	b.remove(rt)
	if len(b.routes) == 0 {
		p.broadcasts = slices.DeleteFunc(p.broadcasts, func(other *broadcast) bool { return other == b })
	}
	r.choose(path, p)
}

// choose has the preferred route of a place be the one that is announced. The
// lock is held.
func (r *Relay) choose(path api.BroadcastPath, p *place) {
	best := p.best()
	if best == p.told && best != nil {
		return
	}
	if best != nil && best.broadcast == p.used {
		p.told = best
		_ = r.mux.Update(best.announcement)
		return
	}
	if p.withdraw != nil {
		p.withdraw()
	}
	p.used, p.told, p.withdraw = nil, nil, nil
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
	p.used, p.told, p.withdraw = best.broadcast, best, cancel
}
