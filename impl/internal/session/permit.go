package session

import (
	"context"
	"fmt"
	"log/slog"
	"slices"

	"github.com/moqlite/moqlite/api"
)

// A permit is what the peer may do: a grant, measured from a root. Paths are compared as
// they were dialled, announced and asked for: nothing is unescaped.
//
// It is enforced by what this file has, and nowhere else: requests of the peer ask
// mayRead, announcements of the peer MayPublish, what the peer is told mayRead, and
// requests to the peer MayPublish.
type permit struct {
	api.Grant
	root api.BroadcastPath
}

// everything is the permit of peers about whom nobody is asked. Their root does not
// matter.
var everything = &permit{Grant: api.GrantAll()}

// names reports whether patterns below the root name a full path.
func (p *permit) names(ps api.Patterns, path api.BroadcastPath) bool {
	switch {
	case p == nil, !path.HasPrefix(p.root):
		return false
	case slices.Contains(ps, "**"):
		return true
	default:
		return ps.Matches(path.Rel(p.root))
	}
}

// mayRead reports whether the peer may ask for a full path, and is told of it.
func (s *Session) mayRead(path api.BroadcastPath) bool {
	p := s.permit.Load()
	return p != nil && p.names(p.Subscribe, path)
}

// MayPublish implements [api.PublishScope].
func (s *Session) MayPublish(path api.BroadcastPath) bool {
	p := s.permit.Load()
	return p != nil && p.names(p.Publish, path.Clean())
}

var _ api.PublishScope = (*Session)(nil)

// wirePath returns a caller's path as it is sent to the peer, relative to the root. It
// returns an error if the path or the track's name cannot be sent, or if the peer may not
// publish there: then it is as if it did not.
func (s *Session) wirePath(ctx context.Context, path api.BroadcastPath, name api.TrackName) (api.BroadcastPath, error) {
	wire, err := s.peer.wirePath(ctx, path, name)
	if err == nil && !s.MayPublish(path) {
		err = fmt.Errorf("the peer may not publish there: %w", &api.StreamError{Code: api.StreamUnroutable})
	}
	return wire, err
}

// checkRead returns why a request of the peer for a full path is refused, nil if it is
// not.
func (r *request) checkRead(path api.BroadcastPath) error {
	if r.session.mayRead(path) {
		return nil
	}
	return &api.StreamError{Code: api.StreamUnauthorized}
}

// MayAnnounce implements [announce.Host].
func (h *host) MayAnnounce(path api.BroadcastPath) bool { return (*Session)(h).MayPublish(path) }

// Refused implements [announce.Host].
func (h *host) Refused(path api.BroadcastPath) {
	level := slog.LevelDebug
	if h.reading.refused() {
		level = slog.LevelInfo
	}
	if logger := h.opts.log.At(level); logger != nil {
		logger.Log(context.Background(), level, "announcement dropped: the grant does not allow it",
			"path", string(path), "remote", Address(h.conn.State().Remote))
	}
}
