package session

import (
	"context"
	"log/slog"
	"time"

	"github.com/moqlite/moqlite/api"
	"github.com/moqlite/moqlite/impl/internal/announce"
	"github.com/moqlite/moqlite/impl/internal/control"
	"github.com/moqlite/moqlite/impl/internal/receive"
	"github.com/moqlite/moqlite/impl/internal/send"
	"github.com/moqlite/moqlite/transport"
)

// None of the packages that a session is made of imports it. Each declares an interface of
// what it needs instead, and host implements them all, so that Session has no methods which
// only others call.

// A host is what the packages control, announce, receive and send see of a session.
type host Session

var (
	_ control.Host  = (*host)(nil)
	_ announce.Host = (*host)(nil)
	_ receive.Host  = (*host)(nil)
	_ send.Host     = (*host)(nil)
)

// Spawn implements [control.Host], [receive.Host] and [send.Host].
func (h *host) Spawn(f func()) bool { return h.life.spawn(f) }

// ControlDeadline implements [control.Host].
func (h *host) ControlDeadline() time.Time { return (*Session)(h).controlDeadline() }

// StreamError implements [control.Host] and [receive.Host].
func (h *host) StreamError(err error) error { return streamError(err) }

// GroupFinished implements [receive.Host].
func (h *host) GroupFinished() { h.requests.tellEnded() }

// PeerSetup implements [announce.Host].
func (h *host) PeerSetup() (api.PeerSetup, error) {
	return h.peer.awaitSetup(h.life.context())
}

// LeftOut implements [announce.Host].
func (h *host) LeftOut(prefix api.BroadcastPath, first bool) {
	h.reading.leftOut()
	if logger := h.opts.log.At(slog.LevelWarn); logger != nil && first {
		logger.Warn("announcements are left out: the peer has announced more than Limits.Announcements",
			"limit", h.limits.Announcements, "prefix", string(prefix), "remote", Address(h.conn.State().Remote))
	}
}

// Own implements [announce.Host].
func (h *host) Own(path api.BroadcastPath) { (*Session)(h).dropOwn(path) }

// Violation implements [announce.Host].
func (h *host) Violation(err error) { (*Session)(h).violation(err) }

// StreamEnd implements [announce.Host].
func (h *host) StreamEnd(err error) error {
	s := (*Session)(h)
	if err = s.translate(err); s.life.isOver() {
		return s.life.err()
	}
	return err
}

// OpenUniStream implements [send.Host].
func (h *host) OpenUniStream(ctx context.Context) (transport.SendStream, error) {
	return h.conn.OpenUniStream(ctx)
}

// Lost implements [send.Host].
func (h *host) Lost(err error) error { return (*Session)(h).translate(err) }

// NoGroups implements [send.Host].
func (h *host) NoGroups() { h.requests.tellEnded() }
