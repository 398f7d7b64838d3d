package main

import (
	"context"
	"log/slog"
)

// sessionLogger returns the logger of a server. Without --verbose it prints a line for each
// session, and what whoever runs the server should know.
func (o *options) sessionLogger() *slog.Logger {
	if o.verbose {
		return o.logger()
	}
	return slog.New(sessionLines{slog.NewTextHandler(o.err, nil)})
}

// sessionLines is a handler that drops what is below a warning, but for the last line of
// each session.
type sessionLines struct{ slog.Handler }

// Handle implements [slog.Handler]. The messages are documented at impl.Server.Logger.
func (h sessionLines) Handle(ctx context.Context, r slog.Record) error {
	if r.Level < slog.LevelWarn && r.Message != "session ended" && r.Message != "session refused" {
		return nil
	}
	return h.Handler.Handle(ctx, r)
}

// WithAttrs implements [slog.Handler].
func (h sessionLines) WithAttrs(attrs []slog.Attr) slog.Handler {
	return sessionLines{h.Handler.WithAttrs(attrs)}
}

// WithGroup implements [slog.Handler].
func (h sessionLines) WithGroup(name string) slog.Handler {
	return sessionLines{h.Handler.WithGroup(name)}
}
