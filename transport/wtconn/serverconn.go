package wtconn

import (
	"context"

	"github.com/quic-go/quic-go"
	"github.com/quic-go/quic-go/http3"
	"github.com/quic-go/webtransport-go"

	"github.com/moqlite/moqlite/transport"
)

// A serverConn is the server's side of a session. webtransport-go accepts the
// client's streams and reads the client's close. This side opens its streams,
// and sends its close, directly on the QUIC connection: webtransport-go would
// reset the client's streams with a code that some clients take for the end of
// the session.
type serverConn struct {
	sessionConn
	out     rawConn
	request *http3.Stream
}

var (
	_ transport.Conn         = (*serverConn)(nil)
	_ transport.DatagramConn = (*serverConn)(nil)
	_ transport.StatsConn    = (*serverConn)(nil)
)

// newServerConn adapts a session on q that was requested on the given stream.
func newServerConn(q *quic.Conn, s *webtransport.Session, request *http3.Stream, state transport.State) *serverConn {
	b := newBase(state)
	c := &serverConn{
		sessionConn: sessionConn{connBase: b, session: s, quic: q},
		out:         rawConn{connBase: b, quic: q},
		request:     request,
	}
	c.out.setSession(request.StreamID())
	context.AfterFunc(s.Context(), c.recordSessionEnd)
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

// CloseWithError implements [transport.Conn]. A reason of more than 1024 bytes
// is truncated, and a code of more than 32 bits becomes the largest.
func (c *serverConn) CloseWithError(code uint64, reason string) error {
	c.closing.Lock()
	defer c.closing.Unlock()
	c.out.closeWith(code, reason, c.request, c.session.Context().Done())
	return nil
}
