package relay

import (
	"context"
	"errors"
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

	// unknownMaxAge is how old groups may become where the publisher's version
	// cannot say: so long that a subscriber which asks for all is not cut short.
	unknownMaxAge = 30 * time.Second
)

// A broadcast is what one origin publishes at a path: that which it announces, or
// one below. Its tracks live on when it is withdrawn, until upstream has told
// their ends: a publisher may withdraw a broadcast whose last groups are still
// under way.
type broadcast struct {
	live.Broadcast
	*publisher
	path  api.BroadcastPath
	users int // who keeps it in publisher.below; guarded by Relay.mu
}

// A publisher is one origin with what it announces at a path, by whatever routes.
type publisher struct {
	relay     *Relay
	announced api.BroadcastPath
	origin    api.Hop

	// Guarded by Relay.mu.
	routes  []*route      // the preferred first
	left    *upstream     // by which the last route was lost
	listed  bool          // in its place: there may be other routes yet
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

// newBroadcast is what a new publisher has at the path that it announces.
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

// add takes in a route. Relay.mu is held.
func (p *publisher) add(rt *route) {
	p.routes = append(p.routes, rt)
	p.sort()
}

// sort puts the preferred route first, after one has come or changed. Relay.mu
// is held.
func (p *publisher) sort() {
	slices.SortFunc(p.routes, compareRoutes)
	p.changed.Tell()
}

// remove takes a route out. Relay.mu is held.
func (p *publisher) remove(rt *route) {
	p.routes = slices.DeleteFunc(p.routes, func(other *route) bool { return other == rt })
	p.left, rt.gone = rt.session, true
	p.changed.Tell()
}

// candidates are the routes by which its broadcasts can be had, the preferred
// first: its own, and then those of other origins at its path, whose groups may
// have the same numbers, unless they may lead back here. changed is closed when
// its own may be others.
func (p *publisher) candidates() (routes []*route, changed <-chan struct{}) {
	p.relay.mu.Lock()
	defer p.relay.mu.Unlock()
	routes = working(p.routes)
	if place := p.relay.places[p.announced]; place != nil {
		var others []*route
		for _, other := range place.broadcasts {
			if other.publisher != p && !slices.ContainsFunc(other.routes, place.doubts) {
				others = append(others, other.routes...)
			}
		}
		slices.SortFunc(others, compareRoutes)
		routes = append(routes, working(others)...)
	}
	return routes, p.changed.Changed()
}

// working are those of routes whose sessions last.
func working(routes []*route) (those []*route) {
	for _, rt := range routes {
		if rt.session.Context().Err() == nil {
			those = append(those, rt)
		}
	}
	return those
}

// routesNow are the routes of the broadcast's own origin; changed is closed when
// they may be others.
func (p *publisher) routesNow() (routes []*route, changed <-chan struct{}) {
	p.relay.mu.Lock()
	defer p.relay.mu.Unlock()
	return working(p.routes), p.changed.Changed()
}

// own are the routes of the broadcast's own origin. If there is none it waits
// for one, for as long as the withdrawal is held and ctx lasts.
func (p *publisher) own(ctx context.Context) []*route {
	for {
		p.relay.mu.Lock()
		routes, listed, changed := working(p.routes), p.listed, p.changed.Changed()
		p.relay.mu.Unlock()
		if len(routes) > 0 || !listed {
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

// makeTrack makes a track that is asked for, as the publisher describes it by
// the first route that can tell, and has it filled.
func (b *broadcast) makeTrack(req api.TrackRequest) (*live.Track, error) {
	ctx := context.Background()
	if req.Session != nil {
		ctx = req.Session.Context()
	}
	ctx, free := b.relay.life.within(ctx)
	defer free()
	failed := error(errUnroutable)
	for _, rt := range b.own(ctx) {
		info, counted, err := b.describe(rt, &req)
		if err == nil {
			track := live.NewTrack(info, b.Limits)
			b.keep()
			if !b.relay.life.fill(track, func() { defer b.release(); fill(b, req, track, counted) }) {
				b.release()
				counted.release()
				return nil, errGoingAway
			}
			return track, nil
		}
		code, final := trackCode(err)
		if !final && rt.fades(ctx) {
			code = api.StreamUnroutable
		}
		failed = &api.StreamError{Code: code}
		if final {
			break
		}
	}
	return nil, failed
}

// describe asks for a track's description, and keeps a slot for a subscription.
// A version that has no descriptions accepts every track.
func (b *broadcast) describe(rt *route, req *api.TrackRequest) (api.TrackInfo, slot, error) {
	release, ok := rt.session.quota.take(req.Session)
	if !ok {
		return api.TrackInfo{}, slot{}, errNoCapacity
	}
	ctx, free := b.relay.life.within(rt.session.Context())
	defer free()
	ctx, cancel := context.WithTimeout(ctx, answerIn)
	defer cancel()
	info, err := rt.session.TrackInfo(ctx, b.path, req.Name)
	if errors.Is(err, api.ErrNotSupported) {
		info, err = api.TrackInfo{MaxLatency: unknownMaxAge}, nil
	}
	if err == nil && !rt.stands() {
		err = errGone
	}
	if err != nil {
		release()
		return api.TrackInfo{}, slot{}, err
	}
	return info, slot{rt.session, release}, nil
}

// nearest are those of the routes with the fewest hops. What a viewer fetches is
// asked of them alone: by a longer one, two relays that both lack a group would ask
// each other for it, and each wait for the other.
func nearest(routes []*route) (those []*route) {
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

// passFetch answers a fetch of what is not held, by the first route that has it.
// Where one breaks off, another one goes on.
func (b *broadcast) passFetch(w api.GroupWriter, req api.FetchRequest) {
	c := copier{out: w}
	code := api.StreamUnroutable
	for _, rt := range nearest(b.own(w.Context())) {
		err := rt.passFetch(&c, req)
		if err == nil || isA[sinkError](err) || w.Context().Err() != nil {
			return
		}
		final := false
		if code, final = fetchCode(&c, err); final {
			break
		}
		if rt.fades(w.Context()) {
			code, _ = fetchCode(&c, nil)
		}
	}
	w.Cancel(code)
}

// passFetch fetches by one route, on behalf of who asks, what c has not got.
func (rt *route) passFetch(c *copier, req api.FetchRequest) error {
	release, ok := rt.session.quota.take(req.Session)
	if !ok {
		return errNoCapacity
	}
	defer release()
	req.StartFrame = max(req.StartFrame, c.frames.Load())
	g, err := askBy(c.out.Context(), rt, req)
	if err != nil {
		return err
	}
	if c.begun && !rt.standsFor(c.out.Context(), crossing) || !rt.stands() {
		g.Cancel(api.StreamCancelled)
		return errGone
	}
	stop := context.AfterFunc(c.out.Context(), func() { g.Cancel(api.StreamCancelled) })
	defer stop()
	if err = c.copy(g); err != nil {
		g.Cancel(api.ErrorCode(err))
	}
	return err
}
