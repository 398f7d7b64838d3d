package relay

import (
	"context"
	"errors"
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
	b.notify()
}

func (b *broadcast) notify() {
	close(b.changed)
	b.changed = make(chan struct{})
}

// best is the preferred route that works and is not to be avoided, nil for
// none; changed is closed when that may be another.
func (b *broadcast) best(avoid map[*route]bool) (best *route, changed <-chan struct{}) {
	b.relay.mu.Lock()
	defer b.relay.mu.Unlock()
	for _, rt := range b.routes {
		if !avoid[rt] && rt.session.Context().Err() == nil {
			return rt, b.changed
		}
	}
	return nil, b.changed
}

// Origin implements [api.OriginHandler].
func (b *broadcast) Origin() api.Session {
	b.relay.mu.Lock()
	defer b.relay.mu.Unlock()
	if len(b.routes) == 0 {
		return nil
	}
	return b.routes[0].session.Session
}

var errUnroutable = &api.StreamError{Code: api.StreamUnroutable}

// makeTrack makes a track that is asked for, as the publisher describes it, and
// has it filled.
func (b *broadcast) makeTrack(req api.TrackRequest) (*live.Track, error) {
	rt, _ := b.best(nil)
	if rt == nil {
		return nil, errUnroutable
	}
	ctx, cancel := context.WithTimeout(rt.session.Context(), answerIn)
	defer cancel()
	info, err := rt.session.TrackInfo(ctx, b.path, req.Name)
	switch {
	case errors.Is(err, api.ErrNotSupported):
		info = api.TrackInfo{MaxLatency: unknownMaxAge}
	case err != nil:
		return nil, err
	}
	track := live.NewTrack(info, b.Limits)
	go fill(b, req.Name, track)
	return track, nil
}

// passFetch answers a fetch of what is not held.
func (b *broadcast) passFetch(w api.GroupWriter, req api.FetchRequest) {
	rt, _ := b.best(nil)
	if rt == nil {
		w.Cancel(api.StreamUnroutable)
		return
	}
	g, err := rt.session.Fetch(w.Context(), req)
	if err != nil {
		w.Cancel(api.ErrorCode(err))
		return
	}
	stop := context.AfterFunc(w.Context(), func() { g.Cancel(api.StreamCancelled) })
	defer stop()
	_ = api.CopyGroup(w, g)
}
