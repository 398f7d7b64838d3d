package wtconn

import (
	"context"
	"log/slog"
)

// withoutRequests returns a logger that passes on what is above Debug: package http3 logs
// there each request with its query, which may hold a token. Nil: nothing is logged.
func withoutRequests(l *slog.Logger) *slog.Logger {
	if l == nil {
		return slog.New(slog.DiscardHandler)
	}
	return slog.New(aboveDebug{l.Handler()})
}

type aboveDebug struct{ slog.Handler }

// Enabled implements [slog.Handler].
func (h aboveDebug) Enabled(ctx context.Context, level slog.Level) bool {
	return level > slog.LevelDebug && h.Handler.Enabled(ctx, level)
}

// WithAttrs implements [slog.Handler].
func (h aboveDebug) WithAttrs(attrs []slog.Attr) slog.Handler {
	return aboveDebug{h.Handler.WithAttrs(attrs)}
}

// WithGroup implements [slog.Handler].
func (h aboveDebug) WithGroup(name string) slog.Handler { return aboveDebug{h.Handler.WithGroup(name)} }
