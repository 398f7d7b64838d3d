package wtconn

import (
	"context"
	"sync"
	"sync/atomic"

	"github.com/quic-go/quic-go"
	"github.com/quic-go/quic-go/http3"

	"github.com/moqlite/moqlite/transport"
	"github.com/moqlite/moqlite/transport/internal/quicstream"
)

// A clientConn is the client's side of a session, on a QUIC connection of its
// own.
//
// Two goroutines accept the server's streams from the start, since they may
// arrive before the response; they wait in the queues, up to a limit, until
// establish is called. A third one reads the request's stream, whose end is the
// end of the session. All end with the QUIC connection, and CloseWithError
// waits for them.
type clientConn struct {
	rawConn
	http    *http3.RawClientConn
	request *http3.RequestStream

	session   chan struct{} // closed when sessionID is set
	sessionID quic.StreamID

	bidi         streamQueue[*quic.Stream]
	uni          streamQueue[*quic.ReceiveStream]
	unidentified atomic.Int64

	wg          sync.WaitGroup // the connection's goroutines
	requestDone chan struct{}  // closed when the peer has ended its half of the request's stream
}

var (
	_ transport.Conn         = (*clientConn)(nil)
	_ transport.DatagramConn = (*clientConn)(nil)
	_ transport.StatsConn    = (*clientConn)(nil)
)

// newClientConn starts HTTP/3 on a QUIC connection, and accepts the server's
// streams.
func newClientConn(q *quic.Conn) *clientConn {
	h := &http3.Transport{
		EnableDatagrams:        true,
		DisableCompression:     true,
		MaxResponseHeaderBytes: maxHeaderBytes,
		AdditionalSettings:     clientSettings(),
	}
	c := &clientConn{
		http:        h.NewRawClientConn(q),
		session:     make(chan struct{}),
		requestDone: make(chan struct{}),
	}
	c.connBase, c.quic = newBase(transport.State{}), q
	c.bidi.init(c.ctx)
	c.uni.init(c.ctx)
	c.wg.Go(c.acceptBidi)
	c.wg.Go(c.acceptUni)
	return c
}

// abandon closes a connection whose session was not established.
func (c *clientConn) abandon() {
	_ = c.quic.CloseWithError(codeNoError, "")
	c.wg.Wait()
}

// establish starts the session, after the server has accepted the request.
func (c *clientConn) establish(state transport.State) {
	tls := c.quic.ConnectionState().TLS
	state.Local, state.Remote, state.TLS = c.quic.LocalAddr(), c.quic.RemoteAddr(), &tls
	c.setState(state)
	c.bidi.removeLimit()
	c.uni.removeLimit()
	c.wg.Go(c.readRequest)
	// Whichever ends first, the request's stream or the connection, gives the
	// reason.
	context.AfterFunc(c.quic.Context(), func() { c.recordEnd(connError(context.Cause(c.quic.Context()))) })
}

// readRequest reads the request's stream until the peer ends the session.
func (c *clientConn) readRequest() {
	e := readClose(c.request)
	close(c.requestDone)
	// Ends a pending ReceiveDatagram, which does not notice the connection's
	// end.
	c.request.CancelRead(codeSessionGone)
	if c.recordEnd(e) {
		// The connection carries nothing else, and the peer waits for its end.
		_ = c.quic.CloseWithError(codeNoError, "")
	}
}

// AcceptStream implements [transport.Conn].
func (c *clientConn) AcceptStream(ctx context.Context) (transport.Stream, error) {
	s, err := c.bidi.pop(ctx, c.ctx)
	if err != nil {
		return nil, err
	}
	return quicstream.NewStream(&c.rawConn, s, ""), nil
}

// AcceptUniStream implements [transport.Conn].
func (c *clientConn) AcceptUniStream(ctx context.Context) (transport.ReceiveStream, error) {
	s, err := c.uni.pop(ctx, c.ctx)
	if err != nil {
		return nil, err
	}
	return quicstream.NewReceive(&c.rawConn, s), nil
}

// SendDatagram implements [transport.DatagramConn].
func (c *clientConn) SendDatagram(p []byte) error {
	if c.ctx.Err() != nil {
		return context.Cause(c.ctx)
	}
	if err := c.request.SendDatagram(p); err != nil {
		return c.datagramError(len(p), err)
	}
	return nil
}

// ReceiveDatagram implements [transport.DatagramConn].
func (c *clientConn) ReceiveDatagram(ctx context.Context) ([]byte, error) {
	p, err := c.request.ReceiveDatagram(ctx)
	if err != nil {
		return nil, c.callError(ctx, "receive datagram", err)
	}
	return p, nil
}

// CloseWithError implements [transport.Conn]. A reason of more than 1024 bytes
// is truncated, and a code of more than 32 bits becomes the largest.
func (c *clientConn) CloseWithError(code uint64, reason string) error {
	c.closeWith(code, reason, c.request, c.requestDone)
	c.wg.Wait()
	return nil
}
