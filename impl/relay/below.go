package relay

import (
	"context"
	"slices"
	"strings"

	"github.com/moqlite/moqlite/api"
)

// An announcement covers the paths below it: a publisher may serve paths that
// it does not announce. Only the publisher knows which, so a request for such a
// path is passed to it. The path has a broadcast of its own while a request or
// a track needs it.
//
// A lower is the handler for one path below the one that a publisher announces.
type belowHandler struct {
	*publisher
	path api.BroadcastPath
}

var (
	_ api.TrackHandler  = belowHandler{}
	_ api.InfoHandler   = belowHandler{}
	_ api.FetchHandler  = belowHandler{}
	_ api.LatestHandler = belowHandler{}
	_ api.OriginHandler = belowHandler{}
)

// Below implements [api.BelowHandler].
func (p *publisher) Below(path api.BroadcastPath) api.TrackHandler { return belowHandler{p, path} }

// ServeTrack implements [api.TrackHandler].
func (l belowHandler) ServeTrack(w api.TrackWriter) {
	b := l.acquireBroadcast()
	defer b.removeUser()
	b.ServeTrack(w)
}

// TrackInfo implements [api.InfoHandler].
func (l belowHandler) TrackInfo(ctx context.Context, req api.TrackRequest) (api.TrackInfo, error) {
	b := l.acquireBroadcast()
	defer b.removeUser()
	return b.TrackInfo(ctx, req)
}

// ServeFetch implements [api.FetchHandler].
func (l belowHandler) ServeFetch(w api.GroupWriter, req api.FetchRequest) {
	b := l.acquireBroadcast()
	defer b.removeUser()
	b.ServeFetch(w, req)
}

// LatestGroup implements [api.LatestHandler].
func (l belowHandler) LatestGroup(name api.TrackName) (api.GroupSequence, bool) {
	b := l.acquireBroadcast()
	defer b.removeUser()
	return b.LatestGroup(name)
}

// Origin implements [api.OriginHandler].
func (l belowHandler) Origin() api.Session {
	l.relay.mu.Lock()
	defer l.relay.mu.Unlock()
	return l.relay.servingBelow(l.publisher, l.path).from()
}

// acquireBroadcast returns the path's broadcast, which it makes if there is
// none. It is kept until removeUser is called.
func (l belowHandler) acquireBroadcast() *broadcast {
	l.relay.mu.Lock()
	defer l.relay.mu.Unlock()
	p := l.relay.servingBelow(l.publisher, l.path)
	b := p.below[l.path]
	if b == nil {
		if p.below == nil {
			p.below = make(map[api.BroadcastPath]*broadcast)
		}
		b = p.newBroadcast(l.path)
		p.below[l.path] = b
	}
	b.users++
	return b
}

// servingBelow returns the publisher that serves a path below the one that p
// announces: p, or, if p may not serve it, the preferred publisher that may, at
// the same path or at the longest path above. If there is none it returns p, which
// refuses. Relay.mu is held.
func (r *Relay) servingBelow(p *publisher, path api.BroadcastPath) *publisher {
	if len(p.routes) == 0 || p.maySome(path) {
		return p
	}
	for above := p.announced; ; above = parentOf(above) {
		if place := r.places[above]; place != nil {
			if best := place.bestFor(path); best != nil {
				return best.broadcast.publisher
			}
		}
		if above == "" {
			return p
		}
	}
}

// maySome reports whether one of the routes leads to a peer that may serve a path.
// Relay.mu is held.
func (p *publisher) maySome(path api.BroadcastPath) bool {
	return slices.ContainsFunc(p.routes, func(rt *route) bool { return rt.session.mayPublish(path) })
}

// bestFor returns the preferred route of those whose peers may serve a path, or nil.
// Relay.mu is held.
func (p *place) bestFor(path api.BroadcastPath) (best *route) {
	for _, b := range p.broadcasts {
		for _, rt := range b.routes {
			if rt.session.mayPublish(path) && !p.mayLoop(rt) && (best == nil || compareRoutes(rt, best) < 0) {
				best = rt
			}
		}
	}
	return best
}

// parentOf returns the path one segment above.
func parentOf(path api.BroadcastPath) api.BroadcastPath {
	return path[:max(strings.LastIndexByte(string(path), '/'), 0)]
}

// addUser adds a user to a broadcast that has one.
func (b *broadcast) addUser() {
	b.relay.mu.Lock()
	defer b.relay.mu.Unlock()
	b.users++
}

// removeUser removes a user. A broadcast below the announced path is deleted with
// its last user.
func (b *broadcast) removeUser() {
	b.relay.mu.Lock()
	defer b.relay.mu.Unlock()
	if b.users--; b.users == 0 && b.below[b.path] == b {
		delete(b.below, b.path)
	}
}
