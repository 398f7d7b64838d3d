package session

import (
	"context"
	"errors"
	"time"

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
// arrived. When ctx ends first, or the session otherwise than by the peer's
// leaving in good order, it returns what was left. It does not end the session.
func (s *Session) Drain(ctx context.Context) (Open, error) {
	s.requests.drain()
	asked := make(chan struct{})
	if !s.life.spawn(func() { defer close(asked); s.askToLeave() }) {
		close(asked)
	}
	for {
		open, changed, broken := s.left()
		switch {
		case broken:
			changed = nil // the session is about to end
		case open == (Open{}):
			return s.afterGoAway(ctx, asked)
		}
		select {
		case <-changed:
		case <-s.Context().Done():
			if s.leftByPeer() {
				return Open{}, nil
			}
			return open, s.life.err()
		case <-ctx.Done():
			return open, context.Cause(ctx)
		}
	}
}

// askToLeave sends GOAWAY and waits until it is likely to have arrived.
func (s *Session) askToLeave() {
	if s.version.GoAway && s.GoAway("") == nil {
		s.quiet()
	}
}

// leaveWithin is how long a client has to leave that was asked to: it dials its
// next session before it gives up this one.
const leaveWithin = 2 * time.Second

// afterGoAway waits for askToLeave, which the end of the session would
// overtake, and for a client to have left by itself.
func (s *Session) afterGoAway(ctx context.Context, asked <-chan struct{}) (Open, error) {
	select {
	case <-asked:
	case <-s.Context().Done():
		return Open{}, nil
	case <-ctx.Done():
		return Open{}, context.Cause(ctx)
	}
	if !s.opts.Client && s.version.GoAway {
		timer := time.NewTimer(leaveWithin)
		defer timer.Stop()
		select {
		case <-timer.C:
		case <-s.Context().Done():
		case <-ctx.Done():
		}
	}
	return Open{}, nil
}

// leftByPeer tells whether the session has ended since the peer wanted no more
// of it.
func (s *Session) leftByPeer() bool {
	ended, ok := errors.AsType[*api.SessionError](s.life.err())
	return ok && ended.Remote && ended.Code == api.SessionNoError
}

// AwaitServed returns when the peer is served no track and no group any more. Its
// error is the end of the session, or of ctx, before that.
func (s *Session) AwaitServed(ctx context.Context) error {
	for {
		serves, changed := s.serves()
		if !serves {
			return nil
		}
		select {
		case <-changed:
		case <-s.Context().Done():
			return s.life.err()
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// serves tells whether the peer is served a track or a group, and returns what is
// closed when there is less.
func (s *Session) serves() (some bool, changed <-chan struct{}) {
	_, changed = s.requests.left()
	s.mu.Lock()
	some = len(s.pubs) > 0
	s.mu.Unlock()
	return some || s.groupsWriting() > 0, changed
}

// groupFinished tells whoever waits for it that a group is over.
func (s *Session) groupFinished() {
	if !s.requests.watched.Load() {
		return
	}
	s.requests.tellLess()
}

// left counts what there is, and returns what is closed when that is less.
// Broken says that the connection has ended with something open.
func (s *Session) left() (open Open, changed <-chan struct{}, broken bool) {
	answering, changed := s.requests.left()
	s.mu.Lock()
	broken = s.broken != (Open{})
	open = Open{
		Subscriptions: len(s.subs) + s.broken.Subscriptions,
		Publications:  answering + s.broken.Publications,
	}
	s.mu.Unlock()
	open.Groups = s.unread.groups() + s.groupsWriting()
	return open, changed, broken
}

// Cut ends a session that has not drained in time.
func (s *Session) Cut() {
	_ = s.Terminate(api.SessionGoAwayTimeout, "goaway timeout")
}
