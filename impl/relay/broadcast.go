package relay

import (
	"context"
	"errors"
	"math"
	"slices"
	"time"

	"github.com/moqlite/moqlite/api"
	"github.com/moqlite/moqlite/impl/live"
)

const (
	// answerIn is how long a publisher may take to describe a track.
	answerIn = 10 * time.Second

	// unknownMaxAge is how old groups may become where the publisher's version
	// cannot say: so long that a subscriber which asks for all is not cut short.
	unknownMaxAge = 30 * time.Second
)

// A broadcast is what one origin publishes at a path, by whatever routes. Its
// tracks live on when it is withdrawn, until upstream has told their ends: a
// publisher may withdraw a broadcast whose last groups are still under way.
type broadcast struct {
	live.Broadcast
	relay  *Relay
	path   api.BroadcastPath
	origin api.Hop

	// Guarded by Relay.mu.
	routes  []*route      // the preferred first
	left    *upstream     // by which the last route was lost
	listed  bool          // in its place: there may be other routes yet
	changed chan struct{} // closed and replaced when routes change
}

var (
	_ api.TrackHandler  = (*broadcast)(nil)
	_ api.InfoHandler   = (*broadcast)(nil)
	_ api.FetchHandler  = (*broadcast)(nil)
	_ api.LatestHandler = (*broadcast)(nil)
	_ api.OriginHandler = (*broadcast)(nil)
)

func newBroadcast(r *Relay, path api.BroadcastPath, origin api.Hop) *broadcast {
	b := &broadcast{relay: r, path: path, origin: origin, changed: make(chan struct{})}
	b.Limits = r.Limits
	b.OnTrack = b.makeTrack
	b.OnFetch = b.passFetch
	return b
}

// add takes in a route. Relay.mu is held.
func (b *broadcast) add(rt *route) {
	b.routes = append(b.routes, rt)
	b.sort()
}

// sort puts the preferred route first, after one has come or changed. Relay.mu
// is held.
func (b *broadcast) sort() {
	slices.SortFunc(b.routes, compareRoutes)
	b.notify()
}

// remove takes a route out. Relay.mu is held.
func (b *broadcast) remove(rt *route) {
	b.routes = slices.DeleteFunc(b.routes, func(other *route) bool { return other == rt })
	b.left = rt.session
	b.notify()
}

func (b *broadcast) notify() {
	close(b.changed)
	b.changed = make(chan struct{})
}

// candidates are the routes by which the broadcast can be had, the preferred
// first: its own, and then those of other origins at its path, whose groups may
// have the same numbers, unless they may lead back here. changed is closed when its own may be others.
func (b *broadcast) candidates() (routes []*route, changed <-chan struct{}) {
	b.relay.mu.Lock()
	defer b.relay.mu.Unlock()
	routes = working(b.routes)
	if p := b.relay.places[b.path]; p != nil {
		var others []*route
		for _, other := range p.broadcasts {
			if other != b && !slices.ContainsFunc(other.routes, p.doubts) {
				others = append(others, other.routes...)
			}
		}
		slices.SortFunc(others, compareRoutes)
		routes = append(routes, working(others)...)
	}
	return routes, b.changed
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
func (b *broadcast) routesNow() (routes []*route, changed <-chan struct{}) {
	b.relay.mu.Lock()
	defer b.relay.mu.Unlock()
	return working(b.routes), b.changed
}

// own are the routes of the broadcast's own origin. If there is none it waits
// for one, for as long as the withdrawal is held and ctx lasts.
func (b *broadcast) own(ctx context.Context) []*route {
	for {
		b.relay.mu.Lock()
		routes, listed, changed := working(b.routes), b.listed, b.changed
		b.relay.mu.Unlock()
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
func (b *broadcast) Origin() api.Session {
	b.relay.mu.Lock()
	defer b.relay.mu.Unlock()
	switch {
	case len(b.routes) > 0:
		return b.routes[0].session.Session
	case b.left != nil:
		return b.left.Session
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
	failed := error(errUnroutable)
	for _, rt := range b.own(ctx) {
		info, counted, err := b.describe(rt, &req)
		if err == nil {
			track := live.NewTrack(info, b.Limits)
			go fill(b, req, track, counted)
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
	ctx, cancel := context.WithTimeout(rt.session.Context(), answerIn)
	defer cancel()
	info, err := rt.session.TrackInfo(ctx, b.path, req.Name)
	if errors.Is(err, api.ErrNotSupported) {
		info, err = api.TrackInfo{MaxLatency: unknownMaxAge}, nil
	}
	if err != nil {
		release()
		return api.TrackInfo{}, slot{}, err
	}
	return info, slot{rt.session, release}, nil
}

// nearest are those of the routes with the fewest hops. What is fetched is asked
// of them alone: by a longer one, two relays that both lack a group would ask
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
		if err == nil || errors.As(err, new(sinkError)) || w.Context().Err() != nil {
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
	g, err := fetchBy(c.out.Context(), rt, req)
	if err != nil {
		return err
	}
	stop := context.AfterFunc(c.out.Context(), func() { g.Cancel(api.StreamCancelled) })
	defer stop()
	if err = c.copy(g); err != nil {
		g.Cancel(api.ErrorCode(err))
	}
	return err
}
