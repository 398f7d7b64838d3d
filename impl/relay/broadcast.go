package relay

import (
	"context"
	"math"
	"slices"
	"time"

	"github.com/moqlite/moqlite/api"
	"github.com/moqlite/moqlite/impl/internal/signal"
	"github.com/moqlite/moqlite/impl/live"
)

const (
	// answerIn is how long a publisher may take to describe a track.
	answerIn = 10 * time.Second

	// unknownMaxAge is the max age of a track whose publisher's version cannot
	// tell it: long, so that a subscriber which asks for all groups gets them.
	unknownMaxAge = 30 * time.Second
)

// A broadcast is what one origin publishes at a path: the one that it
// announces, or one below. When it is withdrawn, its tracks live on until
// upstream has ended them: a publisher may withdraw a broadcast before its last
// groups have arrived.
type broadcast struct {
	live.Broadcast
	*publisher
	path  api.BroadcastPath
	users int // requests and tracks that keep it in publisher.below; Relay.mu guards it
}

// A publisher is one origin at a path that it announces, with all routes to it.
type publisher struct {
	relay     *Relay
	announced api.BroadcastPath
	origin    api.Hop

	// Guarded by Relay.mu.
	routes  []*route      // the preferred first
	left    *upstream     // the session of the route that was lost last
	listed  bool          // it is in its place, so that other routes may come
	changed signal.Notice // of routes
	below   map[api.BroadcastPath]*broadcast
}

var (
	_ api.TrackHandler  = (*broadcast)(nil)
	_ api.InfoHandler   = (*broadcast)(nil)
	_ api.FetchHandler  = (*broadcast)(nil)
	_ api.LatestHandler = (*broadcast)(nil)
	_ api.OriginHandler = (*broadcast)(nil)
	_ api.BelowHandler  = (*broadcast)(nil)
)

// newBroadcast returns the broadcast of a new publisher at the path it
// announces.
func newBroadcast(r *Relay, path api.BroadcastPath, origin api.Hop) *broadcast {
	p := &publisher{relay: r, announced: path, origin: origin}
	return p.newBroadcast(path)
}

func (p *publisher) newBroadcast(path api.BroadcastPath) *broadcast {
	b := &broadcast{publisher: p, path: path}
	b.Limits = p.relay.Limits
	b.OnTrack = b.makeTrack
	b.OnFetch = b.passFetch
	return b
}

// addRoute adds a route. Relay.mu is held.
func (p *publisher) addRoute(rt *route) {
	p.routes = append(p.routes, rt)
	p.sortRoutes()
}

// sortRoutes puts the preferred route first after one has come or changed. Relay.mu
// is held.
func (p *publisher) sortRoutes() {
	slices.SortFunc(p.routes, compareRoutes)
	p.changed.Tell()
}

// removeRoute removes a route. Relay.mu is held.
func (p *publisher) removeRoute(rt *route) {
	p.routes = slices.DeleteFunc(p.routes, func(other *route) bool { return other == rt })
	p.left, rt.gone, rt.goneAt = rt.session, true, time.Now()
	p.changed.Tell()
}

// candidates returns the routes that a track may be fed by, the preferred
// first: the publisher's own, and then those of other origins at its path,
// whose groups may have the same numbers, except publishers with a route that
// may lead back here. All their peers may serve the broadcast. changed is closed when the publisher's own routes have
// changed.
func (b *broadcast) candidates() (routes []*route, changed <-chan struct{}) {
	p := b.publisher
	p.relay.mu.Lock()
	defer p.relay.mu.Unlock()
	routes = liveRoutes(p.routes)
	if place := p.relay.places[p.announced]; place != nil {
		var others []*route
		for _, other := range place.broadcasts {
			if other.publisher != p && !slices.ContainsFunc(other.routes, place.mayLoop) {
				others = append(others, other.routes...)
			}
		}
		slices.SortFunc(others, compareRoutes)
		routes = append(routes, liveRoutes(others)...)
	}
	return b.servable(routes), p.changed.Changed()
}

// liveRoutes returns those of the routes whose sessions have not ended.
func liveRoutes(routes []*route) (those []*route) {
	for _, rt := range routes {
		if rt.session.Context().Err() == nil {
			those = append(those, rt)
		}
	}
	return those
}

// servable returns those of the routes whose peers may serve the broadcast: if it is
// not announced, they announce something above it.
func (b *broadcast) servable(routes []*route) []*route {
	return slices.DeleteFunc(routes, func(rt *route) bool { return !rt.session.mayPublish(b.path) })
}

// ownRoutes returns the publisher's own routes whose peers may serve the broadcast.
// If the publisher has no routes, held tells whether one may come in a moment.
// changed is closed when that has changed.
func (b *broadcast) ownRoutes() (routes []*route, held bool, changed <-chan struct{}) {
	b.relay.mu.Lock()
	defer b.relay.mu.Unlock()
	routes = liveRoutes(b.routes)
	return b.servable(routes), b.listed && len(routes) == 0, b.changed.Changed()
}

// awaitOwn returns the routes of ownRoutes. If the publisher has none, it waits for
// one while the broadcast is held and ctx lasts.
func (b *broadcast) awaitOwn(ctx context.Context) []*route {
	for {
		routes, held, changed := b.ownRoutes()
		if !held || len(routes) > 0 {
			return routes
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return nil
		}
	}
}

// Origin implements [api.OriginHandler].
func (p *publisher) Origin() api.Session {
	p.relay.mu.Lock()
	defer p.relay.mu.Unlock()
	return p.from()
}

// from returns the session of the preferred route, or of the one that was lost last.
// Relay.mu is held.
func (p *publisher) from() api.Session {
	switch {
	case len(p.routes) > 0:
		return p.routes[0].session.Session
	case p.left != nil:
		return p.left.Session
	default:
		return nil
	}
}

var errUnroutable = &api.StreamError{Code: api.StreamUnroutable}

// makeTrack makes a track that is asked for, and starts a filler for it. It goes on
// if req's session ends: others may have asked for the track too.
func (b *broadcast) makeTrack(req api.TrackRequest) (*live.Track, error) {
	d := b.describeTrack(b.relay.life.context(), &req)
	if d.err != nil {
		return nil, d.err
	}
	track := live.NewTrack(d.info, b.Limits)
	b.addUser()
	if !b.relay.life.spawnFiller(track, func() { defer b.removeUser(); fill(b, req, track, d.counted) }) {
		b.removeUser()
		d.counted.release()
		return nil, errGoingAway
	}
	return track, nil
}

// nearestRoutes returns those of the routes with the fewest hops. Fetches use only
// these: by longer ones, two relays that both lack a group could fetch it from
// each other, and each wait for the other.
func nearestRoutes(routes []*route) (those []*route) {
	least := math.MaxInt
	for _, rt := range routes {
		least = min(least, len(rt.announcement.Hops))
	}
	for _, rt := range routes {
		if len(rt.announcement.Hops) == least {
			those = append(those, rt)
		}
	}
	return those
}

// passFetch answers a fetch of a group that is not held, by the first route
// that has it. If that breaks off, the next one continues.
func (b *broadcast) passFetch(w api.GroupWriter, req api.FetchRequest) {
	c := copier{out: w}
	code := api.StreamUnroutable
	for _, rt := range nearestRoutes(b.awaitOwn(w.Context())) {
		err := rt.passFetch(&c, req)
		if err == nil || isA[sinkError](err) || w.Context().Err() != nil {
			return
		}
		final := false
		if code, final = fetchCode(&c, err); final {
			break
		}
		if rt.endsSoon(w.Context()) {
			code, _ = fetchCode(&c, nil)
		}
	}
	w.Cancel(code)
}

// passFetch fetches by one route, for the session that asked, the frames that c
// has not got.
func (rt *route) passFetch(c *copier, req api.FetchRequest) error {
	release, ok := rt.session.quota.acquire(req.Session)
	if !ok {
		return errNoCapacity
	}
	defer release()
	req.StartFrame = max(req.StartFrame, c.frames.Load())
	g, err := askBy(c.out.Context(), rt, req)
	if err != nil {
		return err
	}
	if c.begun && !rt.staysAnnounced(c.out.Context(), crossingWait) || !rt.isAnnounced() {
		g.Cancel(api.StreamCancelled)
		return errGone
	}
	stop := context.AfterFunc(c.out.Context(), func() { g.Cancel(api.StreamCancelled) })
	defer stop()
	if err = c.copyGroup(g); err != nil {
		g.Cancel(api.ErrorCode(err))
	}
	return err
}
