package wtconn

import (
	"context"
	"errors"
	"io"
	"net"
	"sync"
	"time"

	"github.com/quic-go/quic-go"
	"github.com/quic-go/quic-go/http3"
	"github.com/quic-go/webtransport-go"

	"github.com/moqlite/moqlite/transport"
	"github.com/moqlite/moqlite/transport/internal/quicstream"
)

// A sessionConn is a session of webtransport-go.
type sessionConn struct {
	*base
	session *webtransport.Session
	quic    *quic.Conn // where it is known
	closing sync.Mutex // held by CloseWithError
}

var (
	_ transport.Conn         = (*sessionConn)(nil)
	_ transport.DatagramConn = (*sessionConn)(nil)
)

// Wrap adapts a session of webtransport-go, made by its client or its server.
// The session is the adaptor's from then on. Its streams have no priorities,
// and there are no statistics. How the peer sees a close is up to
// webtransport-go, whose client may lose the code.
func Wrap(s *webtransport.Session) transport.Conn {
	state := s.SessionState()
	c := &sessionConn{session: s, base: newBase(transport.State{
		Protocol: state.ApplicationProtocol,
		Local:    s.LocalAddr(),
		Remote:   s.RemoteAddr(),
		TLS:      &state.ConnectionState.TLS,
	})}
	context.AfterFunc(s.Context(), c.over)
	return c
}

// over learns how the session ended. If it was the peer's doing, the connection
// ends with it, where it is known.
func (c *sessionConn) over() {
	// A session that is over opens nothing, and says why.
	_, err := c.session.OpenUniStream()
	e := c.sessionError(err)
	if c.end(e) && c.quic != nil {
		_ = c.quic.CloseWithError(codeNoError, "")
	}
}

// sessionError translates the error that ended the session.
func (c *sessionConn) sessionError(err error) *transport.ConnError {
	if s, ok := errors.AsType[*webtransport.SessionError](err); ok {
		return &transport.ConnError{Code: uint64(s.ErrorCode), Reason: s.Message, Remote: s.Remote}
	}
	// Whatever failed on the request's stream is the same error here. If it was
	// the end of the connection, that tells more.
	if cause := c.quicCause(); cause != nil {
		return connError(cause)
	}
	if h, ok := errors.AsType[*http3.Error](err); ok && h.ErrorMessage == "EOF" {
		return &transport.ConnError{Remote: true}
	}
	e := quicstream.Lost(err)
	e.Remote = true
	return e
}

// quicCause waits a moment for the QUIC connection to end.
func (c *sessionConn) quicCause() error {
	if c.quic == nil {
		return nil
	}
	timer := time.NewTimer(goodbye)
	defer timer.Stop()
	select {
	case <-c.quic.Context().Done():
		return context.Cause(c.quic.Context())
	case <-timer.C:
		return nil
	}
}

// StreamCode implements [quicstream.Owner]: webtransport-go maps codes itself.
func (c *sessionConn) StreamCode(code uint64) quic.StreamErrorCode {
	return quic.StreamErrorCode(min(code, maxCode))
}

// StreamError implements [quicstream.Owner].
func (c *sessionConn) StreamError(err error) error {
	if s, ok := errors.AsType[*webtransport.StreamError](err); ok {
		return &transport.StreamError{Code: uint64(s.ErrorCode), Remote: s.Remote}
	}
	if s, ok := errors.AsType[*quic.StreamError](err); ok && s.ErrorCode != codeSessionGone {
		return streamError(s)
	}
	if c.ctx.Err() != nil || isLost(err) {
		return c.lost(err)
	}
	// A reset whose code is not the application's has no type.
	return &transport.StreamError{Remote: true}
}

// isLost says that a stream failed with its session.
func isLost(err error) bool {
	_, gone := errors.AsType[*quic.StreamError](err)
	_, session := errors.AsType[*webtransport.SessionError](err)
	_, http := errors.AsType[*http3.Error](err)
	return gone || session || http || errors.Is(err, net.ErrClosed)
}

// A sessionSend is a sending half with codes of one type.
type sessionSend struct {
	quicSend
	cancel func(webtransport.StreamErrorCode)
}

type quicSend interface {
	Write([]byte) (int, error)
	Close() error
	SetWriteDeadline(time.Time) error
	Context() context.Context
}

func (s *sessionSend) CancelWrite(code quic.StreamErrorCode) {
	s.cancel(webtransport.StreamErrorCode(code))
}

// A sessionReceive is a receiving half with codes of one type.
type sessionReceive struct {
	quicReceive
	session *webtransport.Session
	cancel  func(webtransport.StreamErrorCode)
}

// Read reads. The end of the session stops streams so that they may seem to
// have come to their own.
func (s *sessionReceive) Read(p []byte) (int, error) {
	n, err := s.quicReceive.Read(p)
	if err == io.EOF && s.session.Context().Err() != nil {
		err = net.ErrClosed
	}
	return n, err
}

type quicReceive interface {
	Read([]byte) (int, error)
	SetReadDeadline(time.Time) error
}

func (s *sessionReceive) CancelRead(code quic.StreamErrorCode) {
	s.cancel(webtransport.StreamErrorCode(code))
}

func (c *sessionConn) stream(s *webtransport.Stream) transport.Stream {
	return quicstream.NewPlainStream(c, &sessionSend{s, s.CancelWrite}, &sessionReceive{s, c.session, s.CancelRead})
}

// OpenStream implements [transport.Conn].
func (c *sessionConn) OpenStream(ctx context.Context) (transport.Stream, error) {
	s, err := c.session.OpenStreamSync(ctx)
	if err != nil {
		return nil, c.callError(ctx, "open stream", err)
	}
	return c.stream(s), nil
}

// AcceptStream implements [transport.Conn].
func (c *sessionConn) AcceptStream(ctx context.Context) (transport.Stream, error) {
	s, err := c.session.AcceptStream(ctx)
	if err != nil {
		return nil, c.callError(ctx, "accept stream", err)
	}
	return c.stream(s), nil
}

// OpenUniStream implements [transport.Conn].
func (c *sessionConn) OpenUniStream(ctx context.Context) (transport.SendStream, error) {
	s, err := c.session.OpenUniStreamSync(ctx)
	if err != nil {
		return nil, c.callError(ctx, "open stream", err)
	}
	return quicstream.NewPlainSend(c, &sessionSend{s, s.CancelWrite}), nil
}

// AcceptUniStream implements [transport.Conn].
func (c *sessionConn) AcceptUniStream(ctx context.Context) (transport.ReceiveStream, error) {
	s, err := c.session.AcceptUniStream(ctx)
	if err != nil {
		return nil, c.callError(ctx, "accept stream", err)
	}
	return quicstream.NewReceive(c, &sessionReceive{s, c.session, s.CancelRead}), nil
}

// SendDatagram implements [transport.DatagramConn].
func (c *sessionConn) SendDatagram(p []byte) error {
	if c.ctx.Err() != nil {
		return context.Cause(c.ctx)
	}
	if err := c.session.SendDatagram(p); err != nil {
		return c.datagramError(len(p), err)
	}
	return nil
}

// ReceiveDatagram implements [transport.DatagramConn].
func (c *sessionConn) ReceiveDatagram(ctx context.Context) ([]byte, error) {
	p, err := c.session.ReceiveDatagram(ctx)
	if err != nil {
		return nil, c.callError(ctx, "receive datagram", err)
	}
	return p, nil
}

// CloseWithError implements [transport.Conn]. A reason of more than 1024 bytes
// is cut, and so is a code of more than 32 bits.
func (c *sessionConn) CloseWithError(code uint64, reason string) error {
	c.closing.Lock()
	defer c.closing.Unlock()
	code, reason = min(code, maxCode), quicstream.CutReason(reason)
	if !c.end(&transport.ConnError{Code: code, Reason: reason}) {
		return nil
	}
	return c.session.CloseWithError(webtransport.SessionErrorCode(code), reason)
}
