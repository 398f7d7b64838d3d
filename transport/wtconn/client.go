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

// A clientConn is the client's end of a session, over a QUIC connection of its
// own.
type clientConn struct {
	raw
	http    *http3.RawClientConn
	request *http3.RequestStream

	session   chan struct{} // closed when the session's id is known
	sessionID quic.StreamID

	bidi         *queue[*quic.Stream]
	uni          *queue[*quic.ReceiveStream]
	unidentified atomic.Int64

	wg          sync.WaitGroup // the connection's goroutines
	requestDone chan struct{}  // closed when the peer has ended its half of the request
}

var (
	_ transport.Conn         = (*clientConn)(nil)
	_ transport.DatagramConn = (*clientConn)(nil)
	_ transport.StatsConn    = (*clientConn)(nil)
)

// newClientConn begins with HTTP/3 on a QUIC connection, and with accepting
// what the server opens.
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
		bidi:        newQueue[*quic.Stream](),
		uni:         newQueue[*quic.ReceiveStream](),
		requestDone: make(chan struct{}),
	}
	c.base, c.quic = newBase(transport.State{}), q
	c.wg.Go(c.acceptBidi)
	c.wg.Go(c.acceptUni)
	return c
}

// abandon closes a connection that became no session.
func (c *clientConn) abandon() {
	_ = c.quic.CloseWithError(codeNoError, "")
	c.wg.Wait()
}

// establish makes the session stand: the server has accepted the request.
func (c *clientConn) establish(state transport.State) {
	tls := c.quic.ConnectionState().TLS
	state.Local, state.Remote, state.TLS = c.quic.LocalAddr(), c.quic.RemoteAddr(), &tls
	c.setState(state)
	c.bidi.open()
	c.uni.open()
	c.wg.Go(c.readRequest)
	context.AfterFunc(c.quic.Context(), func() { c.end(connError(context.Cause(c.quic.Context()))) })
}

// readRequest waits for the peer to end the session.
func (c *clientConn) readRequest() {
	e := readClose(c.request)
	close(c.requestDone)
	// A ReceiveDatagram waits for the stream's end, not for the connection's.
	c.request.CancelRead(codeSessionGone)
	if c.end(e) {
		// Nothing more comes on this connection, and the peer waits for its end.
		_ = c.quic.CloseWithError(codeNoError, "")
	}
}

// AcceptStream implements [transport.Conn].
func (c *clientConn) AcceptStream(ctx context.Context) (transport.Stream, error) {
	s, err := c.bidi.pop(ctx, c.ctx)
	if err != nil {
		return nil, err
	}
	return quicstream.NewStream(&c.raw, s, ""), nil
}

// AcceptUniStream implements [transport.Conn].
func (c *clientConn) AcceptUniStream(ctx context.Context) (transport.ReceiveStream, error) {
	s, err := c.uni.pop(ctx, c.ctx)
	if err != nil {
		return nil, err
	}
	return quicstream.NewReceive(&c.raw, s), nil
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
// is cut, and so is a code of more than 32 bits.
func (c *clientConn) CloseWithError(code uint64, reason string) error {
	c.closeWith(code, reason, c.request, c.requestDone)
	c.wg.Wait()
	return nil
}
