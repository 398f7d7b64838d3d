package redial

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/moqlite/moqlite/api"
	"github.com/moqlite/moqlite/transport"
)

// What becomes of the session beneath is logged at Info. The attribute "session" is the id
// of the session that a line is about, by which the lines of the client and of the server
// name it as well.

// logger returns the logger of the policy, or else that of the dialer.
func (r *redialer) logger() *slog.Logger {
	d, ok := r.dialer.(interface{ SessionLogger() *slog.Logger })
	switch {
	case r.policy.Logger != nil:
		return r.policy.Logger
	case ok && d.SessionLogger() != nil:
		return d.SessionLogger()
	default:
		return slog.New(slog.DiscardHandler)
	}
}

// linkLogger returns the logger for a line of a level about l, or nil if it is not wanted.
func (s *Session) linkLogger(l *link, level slog.Level) *slog.Logger {
	if !s.policy.Logger.Enabled(context.Background(), level) {
		return nil
	}
	return s.policy.Logger.With("session", l.session.State().ID, "url", transport.RedactURL(l.url))
}

func (s *Session) logLost(l *link, err error) {
	if logger := s.linkLogger(l, slog.LevelInfo); logger != nil {
		logger.Info("session lost, dialling again", "duration", time.Since(l.began).Round(time.Millisecond), "error", err)
	}
}

func (s *Session) logLeaving(l *link, to string) {
	if logger := s.linkLogger(l, slog.LevelInfo); logger != nil {
		logger.Info("the server is going away, dialling again", "to", to)
	}
}

// logFound logs that l has taken the place of another session.
func (s *Session) logFound(l, before *link) {
	if logger := s.linkLogger(l, slog.LevelInfo); logger != nil {
		what := "session found again"
		if l.moved { // the other one still stood
			what = "session moved"
		}
		logger.Info(what, "before", before.session.State().ID)
	}
}

// logGivenUp logs that l is not followed by another session, unless that is what the
// application wants.
func (s *Session) logGivenUp(l *link, err error) {
	if s.ctx.Err() != nil || errors.Is(err, api.ErrClientClosed) {
		return
	}
	if logger := s.linkLogger(l, slog.LevelInfo); logger != nil {
		logger.Info("session given up", "error", err)
	}
}
