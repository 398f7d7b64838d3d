package session

import (
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"time"

	"github.com/moqlite/moqlite/api"
	"github.com/moqlite/moqlite/impl/internal/control"
)

// One goroutine ends a session when its grant expires, and asks again whether it still
// holds. It never widens what the session may do, and what is narrower ends the session:
// then the peer's subscriptions and announcements need not be looked through.

const (
	// recheckAgain is how long after a recheck that has failed the next one comes; it
	// doubles with each, up to recheckAtMost, or the pace of the grant if that is less.
	recheckAgain  = time.Second
	recheckAtMost = time.Minute
)

// holdGrant holds the session to a grant until the session ends. dialled is the path at
// which the grant was given.
func (s *Session) holdGrant(g api.Grant, dialled api.BroadcastPath) {
	wait, again := g.RecheckEvery, recheckAgain
	for s.awaitRecheck(g.Expires, wait) {
		next, err := s.recheck(&g)
		reason := ""
		if err == nil {
			reason, err = lacks(&next, &g, dialled)
		}
		switch {
		case s.life.isOver():
			return
		case errors.Is(err, api.ErrUnauthorized):
			reason = refusedReason
		case errors.Is(err, api.ErrInvalidGrant):
			reason = invalidReason
		case err != nil: // nobody has decided: the grant holds
			s.logGrant(slog.LevelWarn, "no answer on a grant, which holds", "", err)
			wait = jitter(min(again, g.RecheckEvery, recheckAtMost))
			again = min(2*again, recheckAtMost)
			continue
		}
		if reason != "" {
			s.logGrant(slog.LevelInfo, "grant withdrawn", reason, err)
			s.fail(api.SessionUnauthorized, reason)
			return
		}
		g.Expires, g.Tier = next.Expires, next.Tier
		s.permit.Store(&permit{g, s.permit.Load().root})
		wait, again = g.RecheckEvery, recheckAgain
	}
}

// logGrant logs what has become of a recheck. The reason, and err, may be missing.
func (s *Session) logGrant(level slog.Level, what, reason string, err error) {
	logger := s.opts.log.At(level)
	if logger == nil {
		return
	}
	if reason != "" {
		logger = logger.With("reason", reason)
	}
	if err != nil {
		logger = logger.With("error", err)
	}
	logger.Log(context.Background(), level, what)
}

// jitter returns a duration that differs from d by a quarter of it at most.
func jitter(d time.Duration) time.Duration {
	return d + time.Duration((rand.Float64()-0.5)/2*float64(d))
}

// awaitRecheck waits until the grant has to be asked for again; never, if wait is 0. It
// reports false if the session ends before. When the grant expires, it ends the session.
func (s *Session) awaitRecheck(expires time.Time, wait time.Duration) bool {
	var due, expired <-chan time.Time
	if wait > 0 {
		t := time.NewTimer(wait)
		defer t.Stop()
		due = t.C
	}
	if !expires.IsZero() {
		t := time.NewTimer(time.Until(expires))
		defer t.Stop()
		expired = t.C
	}
	select {
	case <-due:
		if expires.IsZero() || time.Now().Before(expires) {
			return true
		}
	case <-expired:
	case <-s.Context().Done():
		return false
	}
	s.fail(api.SessionUnauthorized, expiredReason)
	return false
}

// The reasons with which sessions end whose grant does, as a moq-relay tells them.
const (
	expiredReason = "expired"
	refusedReason = "refused"
	invalidReason = "invalid"
)

// recheck asks whether a grant still holds, until it expires.
func (s *Session) recheck(g *api.Grant) (api.Grant, error) {
	ctx, cancel := context.WithTimeoutCause(s.Context(), admitWithin, errSlowAdmit)
	defer cancel()
	if !g.Expires.IsZero() {
		ctx, cancel = context.WithDeadline(ctx, g.Expires)
		defer cancel()
	}
	return control.Ask(ctx, &s.opts.log, "Recheck", func() (api.Grant, error) { return g.Recheck(ctx) })
}

// lacks returns what of a grant another one lacks that was given later: then the session
// ends. It is "" if nothing is missing. The error is why the other one cannot be applied.
func lacks(next, g *api.Grant, dialled api.BroadcastPath) (reason string, err error) {
	if err := applicable(next, &api.SessionState{Root: dialled}); err != nil {
		return "", err
	}
	switch {
	case grantedRoot(next, dialled) != grantedRoot(g, dialled):
		return "root changed", nil
	case next.Peer != g.Peer:
		return "peer changed", nil
	case !next.Publish.Covers(g.Publish), !next.Subscribe.Covers(g.Subscribe):
		return "grant narrowed", nil
	}
	return "", nil
}
