package session

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"time"

	"github.com/moqlite/moqlite/api"
	"github.com/moqlite/moqlite/impl/internal/control"
	"github.com/moqlite/moqlite/impl/internal/message"
	"github.com/moqlite/moqlite/transport"
)

// A Log has the lines of one session. Each has the attribute "session", the session's id.
// It is added when a line is logged, so that a session of which nothing is logged costs
// nothing.
type Log struct {
	to *slog.Logger
	id string
}

var _ control.Logger = (*Log)(nil)

// At returns the logger of the lines of a level, or nil if they are not wanted. Callers
// make a line's attributes only after they have asked.
func (l *Log) At(level slog.Level) *slog.Logger {
	if !l.wants(level) {
		return nil
	}
	return l.to.With("session", l.id)
}

// wants reports whether lines of a level are wanted.
func (l *Log) wants(level slog.Level) bool { return l.to.Enabled(context.Background(), level) }

// Error implements [control.Logger].
func (l *Log) Error(what string, args ...any) {
	if logger := l.At(slog.LevelError); logger != nil {
		logger.Error(what, args...)
	}
}

// Log returns the session's log.
func (s *Session) Log() *Log { return &s.opts.log }

// Address returns the text of an address, which may be nil, for a log.
func Address(a net.Addr) string {
	if a == nil {
		return ""
	}
	return a.String()
}

// logBegin logs that the session may serve its peer.
func (s *Session) logBegin() {
	if logger := s.opts.log.At(slog.LevelInfo); logger != nil {
		logger.Info("session began", s.description()...)
	}
}

// logEnd logs that the session has ended. A refusal was logged by [Ask] already.
func (s *Session) logEnd() {
	logger, err := s.opts.log.At(slog.LevelInfo), s.life.err()
	if logger == nil || !s.IsReady() && isRefusal(err) {
		return
	}
	stats := s.Stats()
	logger.Info("session ended", append(s.description(),
		"duration", s.clock().Round(time.Millisecond),
		"bytes_sent", stats.BytesSent, "bytes_received", stats.BytesReceived, "cause", err)...)
}

// isRefusal reports whether a session that has not begun was refused at this end.
func isRefusal(err error) bool {
	e, ok := errors.AsType[*api.SessionError](err)
	return ok && !e.Remote && (e.Code == api.SessionUnauthorized || e.Code == api.SessionUnavailable)
}

// description returns the attributes of the session's first and last lines.
func (s *Session) description() []any {
	state := s.State()
	return []any{
		"url", transport.Redacted(state.URL).String(), "remote", Address(state.Remote),
		"transport", state.Transport, "version", string(state.Version),
	}
}

// requestNames are those of the drafts.
var requestNames = map[message.StreamType]string{
	message.StreamAnnounce:  "ANNOUNCE",
	message.StreamSubscribe: "SUBSCRIBE",
	message.StreamFetch:     "FETCH",
	message.StreamProbe:     "PROBE",
	message.StreamGoAway:    "GOAWAY",
	message.StreamTrack:     "TRACK",
}

// logAnswer logs what has become of a request of the peer, for a path as the peer has sent
// it. err is why it is refused, nil if it is not.
func (r *request) logAnswer(path string, name api.TrackName, err error) {
	s := r.session
	if logger := s.opts.log.At(slog.LevelDebug); logger != nil {
		logRequest(logger.With("from", "peer"), message.StreamType(r.kind), s.peer.fullPath(path), name, err)
	}
}

// logRefused logs that a request is refused of which it is not known what it is for.
func (r *request) logRefused(code api.StreamErrorCode, why string) {
	if logger := r.session.opts.log.At(slog.LevelDebug); logger != nil {
		logger.Debug("request refused", "from", "peer", "request", requestNames[message.StreamType(r.kind)], "code", code.String(), "error", why)
	}
}

// logAsked logs what has become of a request of the application.
func (s *Session) logAsked(kind message.StreamType, path api.BroadcastPath, name api.TrackName, err error) {
	if logger := s.opts.log.At(slog.LevelDebug); logger != nil {
		logRequest(logger.With("from", "here"), kind, path, name, err)
	}
}

func logRequest(logger *slog.Logger, kind message.StreamType, path api.BroadcastPath, name api.TrackName, err error) {
	logger = logger.With("request", requestNames[kind], "path", string(path))
	if name != "" {
		logger = logger.With("track", string(name))
	}
	if err != nil {
		logger.Debug("request refused", "code", api.ErrorCode(err).String(), "error", err)
		return
	}
	logger.Debug("request accepted")
}
