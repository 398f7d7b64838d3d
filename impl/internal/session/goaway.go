package session

import (
	"errors"
	"fmt"
	"log/slog"

	"github.com/moqlite/moqlite/api"
	"github.com/moqlite/moqlite/impl/internal/message"
	"github.com/moqlite/moqlite/transport"
)

// A Goaway stream carries GOAWAY and nothing else (moq-lite-06, GOAWAY; since 04): no
// answer is needed, since the peer answers by leaving. It may go on for as long as it takes
// to open another session; nothing here ends the session for it (see Drain).

// GoAway implements [api.Session].
func (s *Session) GoAway(uri string) error {
	switch {
	case !s.version.GoAway:
		return fmt.Errorf("goaway on %s: %w", s.version.Name, api.ErrNotSupported)
	case s.limits.client && uri != "":
		return errors.New("goaway: a client's URI is empty")
	case len(uri) > message.MaxURI:
		return fmt.Errorf("goaway: the URI has %d bytes, the most is %d", len(uri), message.MaxURI)
	}
	if s.sentAway.Swap(true) {
		return fmt.Errorf("goaway: %w", errAlreadySent)
	}
	st, err := s.open(s.Context(), message.StreamGoAway, &message.GoAway{URI: uri})
	if err != nil {
		return fmt.Errorf("goaway: %w", err)
	}
	// There is no answer to GOAWAY.
	st.CancelRead(0)
	return st.Close()
}

var errAlreadySent = errors.New("already sent on this session")

// GoneAway implements [api.Session].
func (s *Session) GoneAway() <-chan struct{} { return s.peer.goneAway.Done() }

// serveGoAway reads a GOAWAY (moq-lite-04 to 06): the peer asks this end to leave. A
// second one is a violation.
func (r *request) serveGoAway() {
	s := r.session
	var m message.GoAway
	if err := r.Receive(&m); err != nil {
		if logger := s.opts.log.At(slog.LevelWarn); logger != nil {
			logger.Warn("malformed GOAWAY ignored", "error", err)
		}
		r.Refuse(api.StreamCancelled)
		return
	}
	// Only the first one counts: it says where to go.
	if !s.peer.storeGoAway(api.GoAway{URI: m.URI}) {
		s.violation(errors.New("a second GOAWAY"))
		return
	}
	if logger := s.opts.log.At(slog.LevelDebug); logger != nil {
		logger.Debug("the peer asks this end to leave", "to", transport.RedactURL(m.URI))
	}
	_ = r.SetReadDeadline(s.controlDeadline())
	r.AwaitEnd()
	_ = r.Close()
}
