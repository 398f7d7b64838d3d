package redial

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/moqlite/moqlite/api"
	"github.com/moqlite/moqlite/transport"
)

// keep replaces the session beneath whenever that is needed, until the end.
func (s *Session) keep(first *link) {
	for l := first; ; {
		listening := l
		s.wg.Go(func() { s.listen(listening) })
		next, err := s.successor(l)
		if err != nil {
			s.end(asSessionError(err))
			return
		}
		installed := s.install(next)
		if left := l; next.moved { // it was dialled before this one has ended
			s.wg.Go(func() { s.drain(left) })
		}
		if !installed {
			s.discard(next)
			return
		}
		l = next
	}
}

// successor waits until l has to be replaced, and dials the next session.
func (s *Session) successor(l *link) (*link, error) {
	upgrading, cancel := context.WithCancel(s.ctx)
	defer cancel()
	select {
	case <-l.session.Context().Done():
	case <-l.session.GoneAway():
	case next := <-s.upgrade(upgrading, l):
		s.leave(l)
		next.moved = true
		return next, nil
	case <-s.ctx.Done():
		s.discard(l)
		return nil, context.Cause(s.ctx)
	}
	s.withdraw(l)
	stable := time.Since(l.began) >= stableAfter
	if stable {
		s.backoff.Reset()
	}
	if l.leaving() {
		return s.move(l, l.moved && !stable)
	}
	return s.replace(l)
}

// leave moves everything to another session although the peer of l has not
// asked for it, and asks that peer not to use l any more.
func (s *Session) leave(l *link) {
	s.withdraw(l)
	_ = l.session.GoAway("") // moq-lite-03 has no such thing
}

// discard ends a session that is not needed, since this Session has ended.
func (s *Session) discard(l *link) {
	ended := asSessionError(context.Cause(s.ctx))
	_ = l.session.Terminate(ended.Code, ended.Reason)
	s.forget(l)
}

// replace dials a session after one that was lost.
func (s *Session) replace(l *link) (*link, error) {
	s.forget(l)
	switch err := context.Cause(l.session.Context()); {
	case closedHere(err):
		return nil, api.ErrClientClosed
	case s.policy.Permanent(err):
		return nil, err
	}
	s.lost(l)
	return s.redial(s.ctx, slices.Compact([]string{l.url, s.home}), true)
}

// move dials the session to which the peer of l wants us to go; l then drains.
// It waits first if l was itself made by a move just before: that server is
// about to stop, but still accepts sessions.
func (s *Session) move(l *link, pause bool) (*link, error) {
	s.report.status(GoingAway, nil)
	to := []string{s.home}
	if s.moves.allowed(time.Now()) {
		to = s.destinations(l)
	} else {
		pause = true
	}
	if hook := s.policy.Trace.GoingAway; hook != nil {
		s.report.hook(func() { hook(transport.RedactURL(to[0])) })
	}
	defer context.AfterFunc(l.session.Context(), func() { s.lost(l) })()
	next, err := s.redial(s.ctx, to, pause)
	if err == nil {
		next.moved = true
		return next, nil
	}
	// What is under way may still be finished.
	select {
	case <-l.session.Context().Done():
		s.forget(l)
	case <-s.ctx.Done():
		s.discard(l)
	}
	return nil, err
}

// errTooLong is why redialling is given up.
var errTooLong = errors.New("no session for too long")

// redial dials the URLs in turn until one succeeds. It waits before each dial
// but the first, and before the first too if pause is set.
func (s *Session) redial(ctx context.Context, urls []string, pause bool) (*link, error) {
	ctx, cancel := s.bounded(ctx)
	defer cancel()
	var last error
	for attempt := 1; ; attempt++ {
		if pause && !sleep(ctx, s.backoff.NextBackOff()) {
			return nil, givenUp(ctx, attempt-1, last)
		}
		pause = true
		target := urls[(attempt-1)%len(urls)]
		l, err := s.dial(ctx, target, attempt, transport.DialOptions{})
		if err == nil {
			return l, nil
		}
		last = err
		s.policy.Logger.Warn("dial failed", "url", transport.RedactURL(target), "attempt", attempt, "error", err)
		if hook := s.policy.Trace.DialFailed; hook != nil {
			s.report.hook(func() { hook(err) })
		}
		switch {
		case ctx.Err() != nil:
			return nil, givenUp(ctx, attempt, last)
		case s.policy.Permanent(err) && len(urls) == 1:
			return nil, err
		case s.policy.MaxAttempts > 0 && attempt >= s.policy.MaxAttempts:
			return nil, fmt.Errorf("redial: given up after %d attempts: %w", attempt, err)
		case s.policy.Permanent(err):
			urls = slices.DeleteFunc(slices.Clone(urls), func(u string) bool { return u == target })
		}
	}
}

// bounded returns the context of a redial: it ends with ctx, with the session,
// with the client, and when there was no session for too long.
func (s *Session) bounded(ctx context.Context) (context.Context, context.CancelFunc) {
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
		tooLong = time.AfterFunc(s.policy.MaxElapsed, func() { cancel(errTooLong) }).Stop
	}
	return ctx, func() { stop(); tooLong(); cancel(nil); <-watched }
}

// givenUp returns the error of a redial whose context has ended, after some
// failed attempts; err is that of the last one.
func givenUp(ctx context.Context, attempts int, err error) error {
	cause := context.Cause(ctx)
	if attempts == 0 || errors.Is(err, cause) {
		return fmt.Errorf("redial: %w", cmp.Or(err, cause))
	}
	return fmt.Errorf("redial: %w after %d attempts: %w", cause, attempts, err)
}

// dial makes one attempt.
func (s *Session) dial(ctx context.Context, target string, attempt int, o transport.DialOptions) (*link, error) {
	if hook := s.policy.Trace.Dialing; hook != nil {
		s.report.hook(func() { hook(transport.RedactURL(target), attempt) })
	}
	ctx, cancel := context.WithTimeout(ctx, s.policy.DialTimeout)
	defer cancel()
	o.OwnSocket = s.again()
	under, err := s.dialWith(ctx, target, o)
	if err != nil {
		return nil, err
	}
	return newLink(s, under, target), nil
}

// dialWith dials with options if the dialer beneath accepts them.
func (s *Session) dialWith(ctx context.Context, target string, o transport.DialOptions) (api.Session, error) {
	if d, ok := s.dialer.(OptionsDialer); ok {
		return d.DialWith(ctx, target, s.mux, o)
	}
	return s.dialer.Dial(ctx, target, s.mux)
}

// drain ends a session that has been left, when what is read and served over it
// has ended, or after DrainTimeout.
func (s *Session) drain(l *link) {
	defer s.forget(l)
	l.close()
	ctx, cancel := context.WithTimeout(s.ctx, s.policy.DrainTimeout)
	defer cancel()
	idle := l.awaitIdle(ctx)
	switch {
	case l.ended():
		return
	case s.ctx.Err() != nil: // that may be why nothing is under way
		s.discard(l)
		return
	case !idle:
		s.policy.Logger.Warn("session left with something under way", "url", transport.RedactURL(l.url))
		_ = l.session.Terminate(api.SessionGoAwayTimeout, "goaway timeout")
		return
	}
	state := l.session.State()
	_ = l.session.Terminate(api.SessionNoError, "")
	if hook := s.policy.Trace.Drained; hook != nil {
		s.report.hook(func() { hook(state) })
	}
}

// listen asks the peer of a silent session for a sign of life, and ends the
// session if none comes.
func (s *Session) listen(l *link) {
	patience := s.policy.KeepAlive
	if patience < 0 {
		return
	}
	var heard uint64
	since := time.Now()
	for sleep(l.session.Context(), patience/4) {
		if now := l.session.Stats().BytesReceived; now != heard {
			heard, since = now, time.Now()
		}
		if time.Since(since) < patience {
			continue
		}
		if !l.answers(patience) {
			_ = l.session.Terminate(api.SessionControlTimeout, "no sign of life")
			return
		}
		since = time.Now()
	}
}

// answers sends the peer a request, and reports whether there is any answer in
// time.
func (l *link) answers(within time.Duration) bool {
	ctx, cancel := context.WithTimeout(l.session.Context(), within)
	defer cancel()
	l.ask(ctx)
	return ctx.Err() == nil
}

// keepAlive is the path and track that is asked for; nothing is published
// there, but any answer will do.
const keepAlive = ".keepalive"

// ask asks for a track that does not exist: by TRACK, or by a subscription in
// versions that have no TRACK.
func (l *link) ask(ctx context.Context) {
	_, err := l.session.TrackInfo(ctx, keepAlive, keepAlive)
	if !errors.Is(err, api.ErrNotSupported) {
		return
	}
	if r, err := l.session.Subscribe(ctx, keepAlive, keepAlive, nil); err == nil {
		_ = r.Close()
	}
}
