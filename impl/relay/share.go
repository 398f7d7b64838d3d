package relay

import (
	"context"
	"fmt"
	"sync"

	"github.com/moqlite/moqlite/api"
)

// A Share lets many readers in this process share one subscription of a session
// for each track, so that the groups cross the wire once. It is for programs
// that use the same media in several places, such as a recorder and detectors.
//
//	shared := relay.NewShare(session)
//	r, err := shared.Subscribe(ctx, "room/camera", "video", nil)
//
// A reader that joins begins with the oldest group that is held and not too old
// for it, or with the newest if it asks for [api.GroupLatest]. A reader that
// asks for a numbered start or end has a subscription of its own. The session
// asks for the highest priority and the largest MaxLatency of all that share.
// What is held for them is bounded: a reader that is too slow misses groups,
// which are gaps.
//
// A Share lasts as long as the session. All methods may be called concurrently.
type Share struct {
	relay    Relay
	upstream *upstream

	mu    sync.Mutex
	joint map[api.BroadcastPath]*sharedBroadcast
}

// A sharedBroadcast is a broadcast that is shared.
type sharedBroadcast struct {
	*broadcast
	readers int
}

var _ api.Subscriber = (*Share)(nil)

// NewShare returns a Share of s.
func NewShare(s api.Session) *Share {
	return &Share{upstream: &upstream{Session: s}, joint: make(map[api.BroadcastPath]*sharedBroadcast)}
}

// Announcements implements [api.Subscriber] by the session's method.
func (s *Share) Announcements(ctx context.Context, prefix string) (api.AnnouncementReader, error) {
	return s.upstream.Announcements(ctx, prefix)
}

// Fetch implements [api.Subscriber] by the session's method.
func (s *Share) Fetch(ctx context.Context, req api.FetchRequest) (api.GroupReader, error) {
	return s.upstream.Fetch(ctx, req)
}

// TrackInfo implements [api.Subscriber] by the session's method.
func (s *Share) TrackInfo(ctx context.Context, path api.BroadcastPath, name api.TrackName) (api.TrackInfo, error) {
	return s.upstream.TrackInfo(ctx, path, name)
}

// Subscribe implements [api.Subscriber].
func (s *Share) Subscribe(ctx context.Context, path api.BroadcastPath, name api.TrackName, config *api.SubscribeConfig) (api.TrackReader, error) {
	if config != nil && isBounded(config) {
		return s.upstream.Subscribe(ctx, path, name, config)
	}
	j := s.acquireShared(path.Clean())
	r, err := j.Subscribe(ctx, name, config)
	if err != nil {
		s.releaseShared(j)
		return nil, fmt.Errorf("subscribe to %q in %q: %w", string(name), string(path), err)
	}
	context.AfterFunc(r.Context(), func() { s.releaseShared(j) })
	return r, nil
}

// isBounded reports whether a subscription has a numbered start or end.
func isBounded(c *api.SubscribeConfig) bool {
	numbered := c.StartGroup != 0 && c.StartGroup != api.GroupLatest
	return numbered || c.EndGroup != 0 || c.StartFrame != 0 || c.EndFrame != 0
}

// acquireShared returns the broadcast of a path, with one more reader.
func (s *Share) acquireShared(path api.BroadcastPath) *sharedBroadcast {
	s.mu.Lock()
	defer s.mu.Unlock()
	j := s.joint[path]
	if j == nil {
		j = &sharedBroadcast{broadcast: newBroadcast(&s.relay, path, 0)}
		j.routes = []*route{{session: s.upstream, broadcast: j.broadcast}}
		s.joint[path] = j
	}
	j.readers++
	return j
}

// releaseShared removes a reader. A broadcast is deleted with its last reader; its
// tracks are kept a little longer, as in a relay.
func (s *Share) releaseShared(j *sharedBroadcast) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if j.readers--; j.readers == 0 {
		delete(s.joint, j.path)
	}
}
