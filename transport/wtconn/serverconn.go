package wtconn

import (
	"context"

	"github.com/quic-go/quic-go"
	"github.com/quic-go/webtransport-go"

	"github.com/moqlite/moqlite/transport"
)

// A serverConn is the server's end of a session: webtransport-go accepts the
// client's streams and ends the session, but what this side opens goes past it.
type serverConn struct {
	sessionConn
	out raw
}

var (
	_ transport.Conn         = (*serverConn)(nil)
	_ transport.DatagramConn = (*serverConn)(nil)
	_ transport.StatsConn    = (*serverConn)(nil)
)

// newServerConn adapts a session whose request came on the stream id of q.
func newServerConn(q *quic.Conn, s *webtransport.Session, id quic.StreamID, state transport.State) *serverConn {
	b := newBase(state)
	c := &serverConn{
		sessionConn: sessionConn{base: b, session: s, quic: q},
		out:         raw{base: b, quic: q},
	}
	c.out.setSession(id)
	context.AfterFunc(s.Context(), c.over)
	return c
}

// OpenStream implements [transport.Conn].
func (c *serverConn) OpenStream(ctx context.Context) (transport.Stream, error) {
	return c.out.OpenStream(ctx)
}

// OpenUniStream implements [transport.Conn].
func (c *serverConn) OpenUniStream(ctx context.Context) (transport.SendStream, error) {
	return c.out.OpenUniStream(ctx)
}

// Stats implements [transport.StatsConn].
func (c *serverConn) Stats() transport.Stats { return c.out.Stats() }
