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
type lower struct {
	*publisher
	path api.BroadcastPath
}

var (
	_ api.TrackHandler  = lower{}
	_ api.InfoHandler   = lower{}
	_ api.FetchHandler  = lower{}
	_ api.LatestHandler = lower{}
	_ api.OriginHandler = lower{}
)

// Below implements [api.BelowHandler].
func (p *publisher) Below(path api.BroadcastPath) api.TrackHandler { return lower{p, path} }

// ServeTrack implements [api.TrackHandler].
func (l lower) ServeTrack(w api.TrackWriter) {
	b := l.use()
	defer b.release()
	b.ServeTrack(w)
}

// TrackInfo implements [api.InfoHandler].
func (l lower) TrackInfo(ctx context.Context, req api.TrackRequest) (api.TrackInfo, error) {
	b := l.use()
	defer b.release()
	return b.TrackInfo(ctx, req)
}

// ServeFetch implements [api.FetchHandler].
func (l lower) ServeFetch(w api.GroupWriter, req api.FetchRequest) {
	b := l.use()
	defer b.release()
	b.ServeFetch(w, req)
}

// LatestGroup implements [api.LatestHandler].
func (l lower) LatestGroup(name api.TrackName) (api.GroupSequence, bool) {
	b := l.use()
	defer b.release()
	return b.LatestGroup(name)
}

// use returns the path's broadcast, which it makes if there is none. It is kept
// until release is called.
func (l lower) use() *broadcast {
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

// keep adds a user to a broadcast that has one.
func (b *broadcast) keep() {
	b.relay.mu.Lock()
	defer b.relay.mu.Unlock()
	b.users++
}

// release removes a user. A broadcast below the announced path is deleted with
// its last user.
func (b *broadcast) release() {
	b.relay.mu.Lock()
	defer b.relay.mu.Unlock()
	if b.users--; b.users == 0 && b.below[b.path] == b {
		delete(b.below, b.path)
	}
}
