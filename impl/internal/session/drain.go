package session

import (
	"context"

	"github.com/moqlite/moqlite/api"
)

// Open counts what a session that ends now would cut short.
type Open struct {
	Subscriptions int // tracks being read
	Publications  int // tracks being served, or whose end was not answered
	Groups        int // in flight, in both directions
}

// Drain refuses new requests, of the peer and of the application, asks the
// peer to leave where the version has a word for it, and waits until what is
// being read and served has ended: what the application reads to its end, what
// it serves to the peer's answer, since nothing else proves that it has
// arrived. When ctx ends first it returns what is left. It does not end the
// session.
func (s *Session) Drain(ctx context.Context) (Open, error) {
	s.mu.Lock()
	s.draining = true
	s.mu.Unlock()
	if s.version.GoAway {
		s.spawn(func() { _ = s.GoAway("") })
	}
	for {
		s.mu.Lock()
		busy := len(s.subs)+s.serving > 0
		changed := s.changed
		s.mu.Unlock()
		if !busy && s.unread.groups() == 0 {
			return Open{}, nil
		}
		select {
		case <-changed:
		case <-s.ctx.Done():
			return s.left(), nil
		case <-ctx.Done():
			return s.left(), context.Cause(ctx)
		}
	}
}

// groupFinished tells a session that drains that a group was read.
func (s *Session) groupFinished() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.draining {
		s.shrunk()
	}
}

func (s *Session) left() Open {
	stats := s.Stats()
	return Open{stats.Subscriptions, stats.Publications, stats.GroupsReading + stats.GroupsWriting}
}

// Cut ends a session that has not drained in time.
func (s *Session) Cut() {
	_ = s.Terminate(api.SessionGoAwayTimeout, "goaway timeout")
}
