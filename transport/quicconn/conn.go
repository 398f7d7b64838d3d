package quicconn

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"sync"
	"sync/atomic"

	"github.com/quic-go/quic-go"

	"github.com/moqlite/moqlite/transport"
	"github.com/moqlite/moqlite/transport/internal/h3code"
	"github.com/moqlite/moqlite/transport/internal/quicstream"
)

// maxCode is the largest number that a QUIC varint can encode.
const maxCode = 1<<62 - 1

// A conn is a native QUIC connection.
type conn struct {
	quic     *quic.Conn
	protocol string
	url      *url.URL // the dialled URL; nil if not known
	local    net.Addr
	remote   net.Addr // when the connection was made

	early atomic.Pointer[earlyData] // nil once the handshake is complete

	mu    sync.Mutex
	ended *transport.ConnError // why the connection ended; nil while it lives
	life  transport.Life
}

var (
	_ transport.Conn         = (*conn)(nil)
	_ transport.DatagramConn = (*conn)(nil)
	_ transport.StatsConn    = (*conn)(nil)
	_ quicstream.Owner       = (*conn)(nil)
)

// Wrap adapts a connection of quic-go, whose handshake may still be running.
// Its ALPN is taken for the moq-lite version. The returned Conn owns c.
func Wrap(c *quic.Conn) transport.Conn { return wrap(c, nil) }

// wrap adapts a connection that was dialled for u, or nil if that is not
// known.
func wrap(q *quic.Conn, u *url.URL) *conn {
	return &conn{
		quic:     q,
		protocol: q.ConnectionState().TLS.NegotiatedProtocol,
		url:      u,
		local:    q.LocalAddr(),
		remote:   RemoteAddr(q),
	}
}

// recordEnd records why the connection ended, unless that was recorded before, and
// returns what is recorded.
func (c *conn) recordEnd(err error) *transport.ConnError {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.ended == nil {
		c.ended = connError(err)
	}
	c.life.End(c.ended)
	return c.ended
}

// connError translates an error with which quic-go ended a connection.
func connError(err error) *transport.ConnError {
	if app, ok := errors.AsType[*quic.ApplicationError](err); ok {
		return &transport.ConnError{Code: uint64(app.ErrorCode), Reason: app.ErrorMessage, Remote: app.Remote}
	}
	return quicstream.Lost(err)
}

// StreamCode implements [quicstream.Owner].
func (c *conn) StreamCode(code uint64) quic.StreamErrorCode {
	return quic.StreamErrorCode(h3code.Encode(code))
}

// StreamError implements [quicstream.Owner]. Peers that do not map codes are
// understood as well.
func (c *conn) StreamError(err error) error {
	s, ok := errors.AsType[*quic.StreamError](err)
	if !ok {
		return c.recordEnd(err)
	}
	code, mapped := h3code.Decode(uint64(s.ErrorCode))
	if !mapped {
		code = uint64(s.ErrorCode)
	}
	return &transport.StreamError{Code: code, Remote: s.Remote}
}

// Closing implements [quicstream.Owner]. It is always false: after a close,
// quic-go sends nothing more about streams.
func (c *conn) Closing() bool { return false }

// callError translates the error of a call that took ctx.
func (c *conn) callError(ctx context.Context, what string, err error) error {
	if ctx.Err() != nil && (errors.Is(err, ctx.Err()) || errors.Is(err, context.Cause(ctx))) {
		return fmt.Errorf("%s: %w", what, context.Cause(ctx))
	}
	return c.recordEnd(err)
}

// OpenStream implements [transport.Conn].
func (c *conn) OpenStream(ctx context.Context) (transport.Stream, error) {
	if f := c.early.Load(); f != nil {
		s, err := f.openStream(ctx, c.openBidi)
		if err == nil {
			return quicstream.NewStream(c, s, ""), nil
		}
		if !c.shouldRetry(ctx, err) {
			return nil, c.callError(ctx, "open stream", err)
		}
	}
	s, err := c.quic.OpenStreamSync(ctx)
	if err != nil {
		return nil, c.callError(ctx, "open stream", err)
	}
	return quicstream.NewStream(c, s, ""), nil
}

// AcceptStream implements [transport.Conn].
func (c *conn) AcceptStream(ctx context.Context) (transport.Stream, error) {
	s, err := c.quic.AcceptStream(ctx)
	if c.shouldRetry(ctx, err) {
		s, err = c.quic.AcceptStream(ctx)
	}
	if err != nil {
		return nil, c.callError(ctx, "accept stream", err)
	}
	return quicstream.NewStream(c, s, ""), nil
}

// OpenUniStream implements [transport.Conn].
func (c *conn) OpenUniStream(ctx context.Context) (transport.SendStream, error) {
	if f := c.early.Load(); f != nil {
		s, err := f.openStream(ctx, c.openUni)
		if err == nil {
			return quicstream.NewSend(c, s, ""), nil
		}
		if !c.shouldRetry(ctx, err) {
			return nil, c.callError(ctx, "open stream", err)
		}
	}
	s, err := c.quic.OpenUniStreamSync(ctx)
	if err != nil {
		return nil, c.callError(ctx, "open stream", err)
	}
	return quicstream.NewSend(c, s, ""), nil
}

// AcceptUniStream implements [transport.Conn].
func (c *conn) AcceptUniStream(ctx context.Context) (transport.ReceiveStream, error) {
	s, err := c.quic.AcceptUniStream(ctx)
	if c.shouldRetry(ctx, err) {
		s, err = c.quic.AcceptUniStream(ctx)
	}
	if err != nil {
		return nil, c.callError(ctx, "accept stream", err)
	}
	return quicstream.NewReceive(c, s), nil
}

// SendDatagram implements [transport.DatagramConn].
func (c *conn) SendDatagram(p []byte) error {
	err := c.quic.SendDatagram(p)
	switch large, ok := errors.AsType[*quic.DatagramTooLargeError](err); {
	case err == nil:
		return nil
	case ok:
		return fmt.Errorf("a datagram of %d bytes is too large: the path carries at most %d", len(p), large.MaxDatagramPayloadSize)
	case c.quic.Context().Err() == nil && !c.quic.ConnectionState().SupportsDatagrams.Remote:
		return errors.New("the peer does not accept datagrams")
	}
	return c.recordEnd(err)
}

// ReceiveDatagram implements [transport.DatagramConn].
func (c *conn) ReceiveDatagram(ctx context.Context) ([]byte, error) {
	p, err := c.quic.ReceiveDatagram(ctx)
	if err != nil {
		return nil, c.callError(ctx, "receive datagram", err)
	}
	return p, nil
}

// CloseWithError implements [transport.Conn]. A reason of more than 1024 bytes
// is truncated.
func (c *conn) CloseWithError(code uint64, reason string) error {
	_ = c.quic.CloseWithError(quic.ApplicationErrorCode(min(code, maxCode)), quicstream.CutReason(reason))
	_ = c.recordEnd(context.Cause(c.quic.Context()))
	return nil
}

// State implements [transport.Conn].
func (c *conn) State() transport.State {
	handshake := c.quic.ConnectionState().TLS
	return transport.State{
		Protocol:  c.protocol,
		Transport: transportName,
		Local:     c.local,
		Remote:    c.remote,
		TLS:       &handshake,
		URL:       c.url,
	}
}

// Context implements [transport.Conn].
func (c *conn) Context() context.Context {
	c.mu.Lock()
	defer c.mu.Unlock()
	theirs := c.quic.Context()
	if c.ended == nil && theirs.Err() != nil {
		c.ended = connError(context.Cause(theirs))
	}
	if c.ended != nil {
		return c.life.Context(c.ended)
	}
	if !c.life.Made() {
		context.AfterFunc(theirs, func() { _ = c.recordEnd(context.Cause(theirs)) })
	}
	return c.life.Context(nil)
}

// Stats implements [transport.StatsConn].
func (c *conn) Stats() transport.Stats { return quicstream.Stats(c.quic) }
