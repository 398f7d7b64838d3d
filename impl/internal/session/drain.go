package session

import (
	"context"
	"time"
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
	if !s.life.spawn(func() {
		defer close(asked)
		if s.version.GoAway && s.GoAway("") == nil {
			awaitQuiet(s.Context(), s.conn)
		}
	}) {
		close(asked)
	}
	for {
		open, changed, broken := s.left()
		switch {
		case broken:
			// What was lost with the connection will not end by itself. The end of
			// the session comes next, and says why.
			changed = nil
		case open == (Open{}):
			return Open{}, s.awaitLeave(ctx, asked)
		}
		select {
		case <-changed:
		case <-s.Context().Done():
			if s.life.leftByPeer() {
				return Open{}, nil
			}
			return open, s.life.err()
		case <-ctx.Done():
			return open, context.Cause(ctx)
		}
	}
}

// awaitLeave is called when nothing is open any more. It waits until GOAWAY has probably
// arrived, which is when asked is closed, since the end of the session could overtake it.
// Then it gives a client its LeaveTimeout to close the session: the client dials its next
// one before it does.
func (s *Session) awaitLeave(ctx context.Context, asked <-chan struct{}) error {
	select {
	case <-asked:
	case <-s.Context().Done():
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	if s.limits.client || !s.version.GoAway {
		return nil
	}
	timer := time.NewTimer(s.limits.leave)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-s.Context().Done():
	case <-ctx.Done():
	}
	return nil
}

// AwaitServed waits until no track is served to the peer and no group is being written.
// It returns an error if the session or ctx ends first.
func (s *Session) AwaitServed(ctx context.Context) error {
	for {
		_, changed := s.requests.left()
		if pubs, _ := s.serving.count(); pubs == 0 && s.serving.groups() == 0 {
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

// left returns what is open, and a channel that is closed when some of it has ended.
// broken tells that the connection was lost while something was open.
func (s *Session) left() (open Open, changed <-chan struct{}, broken bool) {
	answering, changed := s.requests.left()
	subs, brokenSubs := s.reading.count()
	_, brokenPubs := s.serving.count()
	open = Open{
		Subscriptions: subs + brokenSubs,
		Publications:  answering + brokenPubs,
		Groups:        s.budget.Open() + s.serving.groups(),
	}
	return open, changed, brokenSubs+brokenPubs > 0
}
