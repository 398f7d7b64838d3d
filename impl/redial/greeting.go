package redial

import (
	"context"
	"fmt"
	"time"

	"github.com/moqlite/moqlite/api"
	"github.com/moqlite/moqlite/transport"
)

// redialBeside dials a session to replace l, which goes on meanwhile. If the peer of l
// has named no place to go to, a load balancer may still lead the same URL to a server
// that is about to end: a session that is turned away is then dropped, which counts as a
// failed dial for the wait until the next. Once l has ended, the next dial comes at once,
// and whatever comes is taken. The waits until then have grown beside a session that
// served: those that follow begin anew.
func (s *Session) redialBeside(l *link, to []destination, pause bool) (*link, error) {
	beside, first := s.policy.newBackoff(), pause
	wait := func(ctx context.Context) bool {
		if first || l.isEnded() {
			first = false
			return s.wait(ctx)
		}
		s.sleepBeside(l, beside.NextBackOff())
		return ctx.Err() == nil
	}
	for {
		next, err := s.redial(s.ctx, to, pause, newOutage(), wait)
		if err != nil || l.isSentElsewhere() || !s.isTurnedAway(next, l) {
			return next, err
		}
		s.dropTurnedAway(next)
		s.sleepBeside(l, beside.NextBackOff())
		pause = false
	}
}

// isSentElsewhere reports whether the peer has asked us to leave, and named a place.
func (l *link) isSentElsewhere() bool {
	away := l.session.State().GoAway
	return away != nil && away.URI != ""
}

// isTurnedAway reports whether the peer of next has asked us to leave, without a place
// to go to, or has closed it. It waits for as long as a GOAWAY takes that was sent when
// next was accepted, at most until l has ended: there is nothing better than next then.
func (s *Session) isTurnedAway(next, l *link) bool {
	timer := time.NewTimer(greetedWithin + next.session.Stats().RTT)
	defer timer.Stop()
	select {
	case <-next.session.GoneAway():
		return !l.isEnded() && !next.isSentElsewhere()
	case <-next.session.Context().Done():
		// Why a session was refused for good is told by redialLost.
		return !l.isEnded() && !s.policy.Permanent(context.Cause(next.session.Context()))
	case <-l.session.Context().Done():
	case <-s.ctx.Done():
	case <-timer.C:
	}
	return false
}

// dropTurnedAway ends a session that is not used, and reports it as a failed dial.
func (s *Session) dropTurnedAway(l *link) {
	err := errTurnedAway
	if l.isEnded() {
		err = fmt.Errorf("redial: the new session was closed at once: %w", context.Cause(l.session.Context()))
	}
	_ = l.session.Terminate(api.SessionNoError, "")
	l.stopFollowing()
	s.policy.Logger.Warn("session not used", "url", transport.RedactURL(l.url), "error", err)
	if hook := s.policy.Trace.DialFailed; hook != nil {
		s.report.enqueueHook(func() { hook(err) })
	}
}

// errTurnedAway is why a session is not used whose peer has sent a GOAWAY.
var errTurnedAway = fmt.Errorf("redial: the server of the new session asks to leave as well: %w", api.ErrGoingAway)

// sleepBeside waits, at most until l or the Session has ended.
func (s *Session) sleepBeside(l *link, d time.Duration) {
	ctx, cancel := context.WithCancel(s.ctx)
	defer cancel()
	defer context.AfterFunc(l.session.Context(), cancel)()
	sleep(ctx, d)
}
