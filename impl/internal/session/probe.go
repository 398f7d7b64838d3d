package session

import (
	"context"
	"fmt"
	"time"

	"github.com/moqlite/moqlite/api"
	"github.com/moqlite/moqlite/impl/internal/message"
	"github.com/moqlite/moqlite/impl/internal/probe"
	"github.com/moqlite/moqlite/impl/internal/receive"
	"github.com/moqlite/moqlite/transport"
)

// A Probe stream carries no request: who opens it gets PROBE reports until it ends its half
// (moq-lite-06, PROBE). They are about the direction to the one who has asked, and so only
// the other end can make them.

// Probe implements [api.Session].
func (s *Session) Probe(ctx context.Context) (api.BitrateReader, error) {
	if err := s.refused(); err != nil {
		return nil, fmt.Errorf("probe: %w", err)
	}
	if s.version.Setup { // before moq-lite-05 it is not known whether the peer sends reports
		peer, err := s.peer.awaitSetup(ctx)
		if err != nil {
			return nil, fmt.Errorf("probe: %w", err)
		}
		if peer.Probe == api.ProbeNone {
			return nil, fmt.Errorf("probe: the peer reports no bitrate: %w", api.ErrNotSupported)
		}
	}
	st, err := s.open(ctx, message.StreamProbe, nil)
	if err != nil {
		return nil, cause(ctx, "probe", err)
	}
	p := probe.NewReader(st, func(err error) error {
		return (*host)(s).StreamEnd(receive.Malformed(err))
	})
	if !s.life.spawn(p.Run) {
		return nil, fmt.Errorf("probe: %w", s.life.err())
	}
	return p, nil
}

// serveProbe sends PROBE reports (moq-lite-06, PROBE) until the peer ends the stream. A
// peer that is not admitted gets none.
func (r *request) serveProbe() {
	defer r.Refuse(api.StreamCancelled)
	conn, ok := transport.As[transport.StatsConn](r.session.conn)
	if !ok {
		r.logRefused(api.StreamCancelled, "the connection has no statistics")
		return
	}
	r.logAnswer("", "", nil)
	_ = r.SetReadDeadline(time.Time{})
	if r.session.Ready(r.session.Context()) != nil {
		return
	}
	ctx, cancel, ok := r.untilEnd()
	if !ok {
		return
	}
	defer cancel()
	probe.Serve(ctx, r.Stream, conn)
}
