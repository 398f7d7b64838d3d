package redial

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"github.com/moqlite/moqlite/api"
	"github.com/moqlite/moqlite/impl/redial/internal/redirect"
	"github.com/moqlite/moqlite/transport"
)

// keepConnected replaces the session beneath whenever that is needed, until the
// end.
func (s *Session) keepConnected(first *link) {
	for l := first; ; {
		listening := l
		s.wg.Go(func() { KeepAlive(listening.session, s.policy.KeepAlive, s.policy.KeepAliveTimeout) })
		next, err := s.awaitSuccessor(l)
		if err != nil {
			s.logGivenUp(l, err)
			s.endSession(asSessionError(err))
			return
		}
		installed := s.setCurrent(next)
		if left := l; next.moved { // it was dialled before this one has ended
			s.wg.Go(func() { s.drainLink(left) })
		}
		if !installed {
			s.terminateUnneeded(next)
			return
		}
		l = next
	}
}

// awaitSuccessor waits until l has to be replaced, and dials the next session.
func (s *Session) awaitSuccessor(l *link) (*link, error) {
	upgrading, cancel := context.WithCancel(s.ctx)
	defer cancel()
	select {
	case <-l.session.Context().Done():
	case <-l.session.GoneAway():
	case next := <-s.upgrade(upgrading, l):
		s.moveAway(l)
		next.moved = true
		return next, nil
	case <-s.ctx.Done():
	}
	if s.ctx.Err() != nil { // which may have ended l as well
		s.terminateUnneeded(l)
		return nil, context.Cause(s.ctx)
	}
	s.clearCurrent(l)
	stable := time.Since(l.began) >= stableAfter && !l.wasTurnedDown()
	if stable {
		s.backoff.Reset()
		s.waits = false
	}
	if l.isGoingAway() {
		return s.redialMoved(l, l.moved && !stable)
	}
	pause := s.waits
	s.waits = true
	return s.redialLost(l, pause)
}

// moveAway moves everything to another session although the peer of l has not
// asked for it, and asks that peer not to use l any more.
func (s *Session) moveAway(l *link) {
	s.clearCurrent(l)
	_ = l.session.GoAway("") // moq-lite-03 has no such thing
}

// terminateUnneeded ends a session that is not needed, since this Session has
// ended.
func (s *Session) terminateUnneeded(l *link) {
	ended := asSessionError(context.Cause(s.ctx))
	_ = l.session.Terminate(ended.Code, ended.Reason)
	s.removeLink(l)
}

// redialLost dials a session after one that was lost, at once unless pause is
// set: then the session did not last. If one that did is ended as unauthorized, the
// credentials of its URL have expired, and Source has others. A session that was never
// admitted is one more failed attempt.
func (s *Session) redialLost(l *link, pause bool) (*link, error) {
	s.removeLink(l)
	switch err := context.Cause(l.session.Context()); {
	case isClosedHere(err):
		return nil, api.ErrClientClosed
	case !pause && s.policy.Source != nil && errors.Is(err, api.ErrUnauthorized):
	case s.policy.Permanent(err):
		return nil, err
	}
	s.reportLost(l)
	out := newOutage()
	if l.wasTurnedDown() {
		out = l.outage
		out.last = context.Cause(l.session.Context())
		if s.policy.MaxAttempts > 0 && out.attempts >= s.policy.MaxAttempts {
			return nil, out.givenUp(out.last)
		}
	}
	return s.redial(s.ctx, slices.Compact([]destination{l.destination(), {}}), pause, out, s.wait)
}

// redialMoved dials the session to which the peer of l wants us to go; l then
// drains. It waits first if l was itself made by a move just before: that
// server is about to stop, but still accepts sessions.
func (s *Session) redialMoved(l *link, pause bool) (*link, error) {
	s.report.sendStatus(GoingAway, nil)
	to := []destination{{}}
	if s.moves.allowed(time.Now()) {
		to = s.destinations(l)
	} else {
		pause = true
	}
	where := transport.RedactURL(cmp.Or(to[0].url, l.home))
	s.logLeaving(l, where)
	if hook := s.policy.Trace.GoingAway; hook != nil {
		s.report.enqueueHook(func() { hook(where) })
	}
	defer context.AfterFunc(l.session.Context(), func() { s.reportLost(l) })()
	next, err := s.redialBeside(l, to, pause)
	if err == nil {
		next.moved = true
		return next, nil
	}
	// What is under way may still be finished.
	select {
	case <-l.session.Context().Done():
		s.removeLink(l)
	case <-s.ctx.Done():
		s.terminateUnneeded(l)
	}
	return nil, err
}

// errTooLong is why redialling is given up.
var errTooLong = errors.New("no session for too long")

// wait waits before a dial, longer each time. It reports false if ctx ends first.
func (s *Session) wait(ctx context.Context) bool { return sleep(ctx, s.backoff.NextBackOff()) }

// redial dials the destinations in turn until one succeeds. It waits before
// each dial but the first, and before the first too if pause is set. What out has
// counted already, counts.
func (s *Session) redial(ctx context.Context, to []destination, pause bool, out outage, wait func(context.Context) bool) (*link, error) {
	ctx, cancel := s.redialContext(ctx, out)
	defer cancel()
	last := out.last
	for i := 0; ; i++ {
		if pause && !wait(ctx) {
			return nil, redialError(ctx, out.attempts, last)
		}
		pause = true
		out.attempts++
		target, attempt := to[i%len(to)], out.attempts
		l, err := s.dialOnce(ctx, target, attempt, transport.DialOptions{})
		if err == nil {
			l.outage = out
			return l, nil
		}
		last = err
		s.policy.Logger.Warn("dial failed", "url", transport.RedactURL(cmp.Or(target.url, s.home)), "attempt", attempt, "error", err)
		if hook := s.policy.Trace.DialFailed; hook != nil {
			s.report.enqueueHook(func() { hook(err) })
		}
		switch {
		case ctx.Err() != nil:
			return nil, redialError(ctx, attempt, last)
		case s.isPermanent(err) && len(to) == 1:
			return nil, err
		case s.policy.MaxAttempts > 0 && attempt >= s.policy.MaxAttempts:
			return nil, out.givenUp(err)
		case s.isPermanent(err):
			to = slices.DeleteFunc(slices.Clone(to), func(d destination) bool { return d == target })
		}
	}
}

// redialContext returns the context of a redial: it ends with ctx, with the
// session, with the client, and when there was no session for too long.
func (s *Session) redialContext(ctx context.Context, out outage) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancelCause(ctx)
	stop := context.AfterFunc(s.ctx, func() { cancel(context.Cause(s.ctx)) })
	watched := make(chan struct{})
	go func() {
		defer close(watched)
		select {
		case <-s.closed:
			cancel(api.ErrClientClosed)
		case <-ctx.Done():
		}
	}()
	tooLong := func() bool { return false }
	if s.policy.MaxElapsed > 0 {
		left := s.policy.MaxElapsed - time.Since(out.began)
		tooLong = time.AfterFunc(left, func() { cancel(errTooLong) }).Stop
	}
	return ctx, func() { stop(); tooLong(); cancel(nil); <-watched }
}

// redialError returns the error of a redial whose context has ended, after some
// failed attempts; err is that of the last one.
func redialError(ctx context.Context, attempts int, err error) error {
	cause := context.Cause(ctx)
	if attempts == 0 || errors.Is(err, cause) {
		return fmt.Errorf("redial: %w", cmp.Or(err, cause))
	}
	return fmt.Errorf("redial: %w after %d attempts: %w", cause, attempts, err)
}

// dialOnce makes one attempt.
func (s *Session) dialOnce(ctx context.Context, to destination, attempt int, o transport.DialOptions) (*link, error) {
	ctx, cancel := context.WithTimeout(ctx, s.policy.DialTimeout)
	defer cancel()
	home, err := s.askHome(ctx)
	if err != nil {
		return nil, err
	}
	target := to.from(home)
	if hook := s.policy.Trace.Dialing; hook != nil {
		s.report.enqueueHook(func() { hook(transport.RedactURL(target), attempt) })
	}
	o.OwnSocket, o.OtherOrigin = s.hasConnected(), !redirect.SameOrigin(home, target)
	under, err := s.dialWith(ctx, target, o)
	if err != nil {
		return nil, err
	}
	return newLink(s, under, target, home), nil
}

// dialWith dials with options if the dialer beneath accepts them.
func (s *Session) dialWith(ctx context.Context, target string, o transport.DialOptions) (api.Session, error) {
	if d, ok := s.dialer.(OptionsDialer); ok {
		return d.DialWith(ctx, target, s.mux, o)
	}
	return s.dialer.Dial(ctx, target, s.mux)
}

// drainLink ends a session that has been left, when what is read and served over it
// has ended, or after DrainTimeout.
func (s *Session) drainLink(l *link) {
	defer s.removeLink(l)
	l.stopFollowing()
	ctx, cancel := context.WithTimeout(s.ctx, s.policy.DrainTimeout)
	defer cancel()
	idle := l.awaitIdle(ctx)
	switch {
	case l.isEnded():
		return
	case s.ctx.Err() != nil: // that may be why nothing is under way
		s.terminateUnneeded(l)
		return
	case !idle:
		if logger := s.linkLogger(l, slog.LevelWarn); logger != nil {
			logger.Warn("drain timeout: session closed before everything was delivered")
		}
		_ = l.session.Terminate(api.SessionGoAwayTimeout, "goaway timeout")
		return
	}
	state := l.session.State()
	_ = l.session.Terminate(api.SessionNoError, "")
	if hook := s.policy.Trace.Drained; hook != nil {
		s.report.enqueueHook(func() { hook(state) })
	}
}
