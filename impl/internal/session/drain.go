package session

import (
	"context"
	"errors"
	"time"

	"github.com/moqlite/moqlite/api"
)

// Open counts what would be cut short if the session ended now.
type Open struct {
	Subscriptions int // tracks being read
	Publications  int // requests of the peer that are not finished
	Groups        int // groups being written, and groups not read to their end
}

// Drain refuses new requests of the peer and of the application, sends GOAWAY
// (moq-lite-04 to 06), and waits until everything that is read or served has ended. A
// track that is served has ended when the peer has ended its half of the stream, since
// nothing else proves that the groups have arrived. A client is then given some time to
// leave by itself.
//
// When ctx ends first, or the session ends other than by the peer closing it without an
// error, Drain returns what was open, and why. It does not end the session.
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
			changed = nil // wait for the end of the session
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

// askToLeave sends GOAWAY, if the version has it, and waits until it has probably
// arrived.
func (s *Session) askToLeave() {
	if s.version.GoAway && s.GoAway("") == nil {
		s.quiet()
	}
}

// leaveWithin is how long Drain waits for a client to close the session after a GOAWAY:
// the client dials its next session before it does.
const leaveWithin = 2 * time.Second

// afterGoAway waits until askToLeave has returned, since the end of the session could
// overtake the GOAWAY, and then for the client to close the session.
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

// leftByPeer reports whether the peer has closed the session without an error.
func (s *Session) leftByPeer() bool {
	ended, ok := errors.AsType[*api.SessionError](s.life.err())
	return ok && ended.Remote && ended.Code == api.SessionNoError
}

// AwaitServed waits until no track is served to the peer and no group is being written.
// It returns an error if the session or ctx ends first.
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

// serves reports whether a track is served to the peer or a group is being written, and
// returns a channel that is closed when one of these has ended.
func (s *Session) serves() (some bool, changed <-chan struct{}) {
	_, changed = s.requests.left()
	s.mu.Lock()
	some = len(s.pubs) > 0
	s.mu.Unlock()
	return some || s.groupsWriting() > 0, changed
}

// groupFinished wakes Drain and AwaitServed after a group has ended.
func (s *Session) groupFinished() {
	if !s.requests.watched.Load() {
		return
	}
	s.requests.tellLess()
}

// left returns what is open, and a channel that is closed when some of it has ended.
// broken tells that the connection was lost while something was open.
func (s *Session) left() (open Open, changed <-chan struct{}, broken bool) {
	answering, changed := s.requests.left()
	s.mu.Lock()
	broken = s.broken != (Open{})
	open = Open{
		Subscriptions: len(s.subs) + s.broken.Subscriptions,
		Publications:  answering + s.broken.Publications,
	}
	s.mu.Unlock()
	open.Groups = s.budget.Open() + s.groupsWriting()
	return open, changed, broken
}

// Cut ends a session that has not drained in time, with [api.SessionGoAwayTimeout].
func (s *Session) Cut() {
	_ = s.Terminate(api.SessionGoAwayTimeout, "goaway timeout")
}
