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

// A sessionConn is a connection over a session of webtransport-go.
type sessionConn struct {
	*connBase
	session *webtransport.Session
	quic    *quic.Conn // nil where it is not known
	closing sync.Mutex // held during CloseWithError
}

var (
	_ transport.Conn         = (*sessionConn)(nil)
	_ transport.DatagramConn = (*sessionConn)(nil)
)

// Wrap adapts a session of webtransport-go, made by its client or its server.
// The returned Conn owns the session. Its streams have no priorities, and it
// has no statistics. How the peer sees a close is up to webtransport-go, whose
// client may lose the code.
func Wrap(s *webtransport.Session) transport.Conn {
	state := s.SessionState()
	c := &sessionConn{session: s, connBase: newBase(transport.State{
		Protocol: state.ApplicationProtocol,
		Local:    s.LocalAddr(),
		Remote:   s.RemoteAddr(),
		TLS:      &state.ConnectionState.TLS,
	})}
	context.AfterFunc(s.Context(), c.recordSessionEnd)
	return c
}

// recordSessionEnd records how the session ended. If the peer ended it, it also
// closes the QUIC connection, where that is known.
func (c *sessionConn) recordSessionEnd() {
	// The error of opening a stream says why the session has ended.
	_, err := c.session.OpenUniStream()
	e := c.sessionError(err)
	if c.recordEnd(e) && c.quic != nil {
		_ = c.quic.CloseWithError(codeNoError, "")
	}
}

// sessionError translates the error that ended the session.
func (c *sessionConn) sessionError(err error) *transport.ConnError {
	if s, ok := errors.AsType[*webtransport.SessionError](err); ok {
		return &transport.ConnError{Code: uint64(s.ErrorCode), Reason: s.Message, Remote: s.Remote}
	}
	// webtransport-go has one error for all failures of the request's stream.
	// If the QUIC connection has ended, its error says more.
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

// quicCause returns why the QUIC connection has ended. It waits for that, but
// not for long, and returns nil if the connection stays open.
func (c *sessionConn) quicCause() error {
	if c.quic == nil {
		return nil
	}
	timer := time.NewTimer(closeLinger)
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
	if c.ctx.Err() != nil || isSessionEnd(err) {
		return c.awaitCause(err)
	}
	// webtransport-go returns an untyped error for a reset with another code.
	return &transport.StreamError{Remote: true}
}

// isSessionEnd tells whether a stream failed because its session has ended.
func isSessionEnd(err error) bool {
	_, gone := errors.AsType[*quic.StreamError](err)
	_, session := errors.AsType[*webtransport.SessionError](err)
	_, http := errors.AsType[*http3.Error](err)
	return gone || session || http || errors.Is(err, net.ErrClosed)
}

// A sessionSend adapts the codes of webtransport-go's sending half to those of
// quic-go.
type sessionSend struct {
	quicSend
	cancel func(webtransport.StreamErrorCode)
}

// quicSend is what the sending halves of webtransport-go and quic-go have in
// common.
type quicSend interface {
	Write([]byte) (int, error)
	Close() error
	SetWriteDeadline(time.Time) error
	Context() context.Context
}

func (s *sessionSend) CancelWrite(code quic.StreamErrorCode) {
	s.cancel(webtransport.StreamErrorCode(code))
}

// A sessionReceive adapts the codes of webtransport-go's receiving half to
// those of quic-go.
type sessionReceive struct {
	quicReceive
	session *webtransport.Session
	cancel  func(webtransport.StreamErrorCode)
}

// Read reads from the stream. When the session ends, a stream may report
// io.EOF as if its data were complete; Read returns net.ErrClosed instead.
func (s *sessionReceive) Read(p []byte) (int, error) {
	n, err := s.quicReceive.Read(p)
	if err == io.EOF && s.session.Context().Err() != nil {
		err = net.ErrClosed
	}
	return n, err
}

// quicReceive is the same of the receiving halves.
type quicReceive interface {
	Read([]byte) (int, error)
	SetReadDeadline(time.Time) error
}

func (s *sessionReceive) CancelRead(code quic.StreamErrorCode) {
	s.cancel(webtransport.StreamErrorCode(code))
}

// stream adapts a bidirectional stream. It has no priorities, which
// webtransport-go does not pass on.
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
// is truncated, and a code of more than 32 bits becomes the largest.
func (c *sessionConn) CloseWithError(code uint64, reason string) error {
	c.closing.Lock()
	defer c.closing.Unlock()
	code, reason = min(code, maxCode), quicstream.CutReason(reason)
	if !c.recordEnd(&transport.ConnError{Code: code, Reason: reason}) {
		return nil
	}
	return c.session.CloseWithError(webtransport.SessionErrorCode(code), reason)
}
