package relay

import (
	"context"

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

// acquireBroadcast returns the path's broadcast, which it makes if there is
// none. It is kept until removeUser is called.
func (l belowHandler) acquireBroadcast() *broadcast {
	l.relay.mu.Lock()
	defer l.relay.mu.Unlock()
	b := l.below[l.path]
	if b == nil {
		if l.below == nil {
			l.below = make(map[api.BroadcastPath]*broadcast)
		}
		b = l.newBroadcast(l.path)
		l.below[l.path] = b
	}
	b.users++
	return b
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
