package wtconn

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/quic-go/quic-go"
	"github.com/quic-go/quic-go/http3"
	"github.com/quic-go/quic-go/quicvarint"

	"github.com/moqlite/moqlite/transport"
	"github.com/moqlite/moqlite/transport/internal/h3code"
	"github.com/moqlite/moqlite/transport/internal/quicstream"
)

// transportName is the Transport of the connections' State.
const transportName = transport.WebTransport

const (
	// The types with which WebTransport streams begin.
	bidiType = 0x41
	uniType  = 0x54

	// codeRejected resets streams that do not belong to the session.
	codeRejected quic.StreamErrorCode = 0x3994bd84

	// codeSessionGone resets streams whose session has ended.
	codeSessionGone quic.StreamErrorCode = 0x170d7b68

	// codeCancelled resets the request of a dial that was cancelled.
	codeCancelled = quic.StreamErrorCode(http3.ErrCodeRequestCanceled)

	// codeNoError closes a QUIC connection that has no session any more.
	codeNoError = quic.ApplicationErrorCode(http3.ErrCodeNoError)

	// maxCode is the largest code of sessions and streams in WebTransport.
	maxCode = 1<<32 - 1

	// closeLinger is how long a close waits for the peer to read it: longer than a bad
	// link loses everything.
	closeLinger = 500 * time.Millisecond

	// closeMoment is how long a peer that has read it has to close the connection. A
	// browser that is told of both ends at once forgets the code of the first.
	closeMoment = 400 * time.Millisecond

	// causeWait is how long a failed call waits for the reason of the connection's
	// end.
	causeWait = time.Second
)

// A connBase holds the state and the context of a connection.
//
// The context ends once, with the first reason that becomes known, whatever
// goroutine learns it: the one that reads the request's stream, the one that
// watches the QUIC connection, or a caller whose stream failed.
type connBase struct {
	state  transport.State
	ctx    context.Context
	cancel context.CancelCauseFunc
}

// newBase returns the base of a connection that lives until recordEnd is
// called.
func newBase(state transport.State) *connBase {
	b := new(connBase)
	b.setState(state)
	b.ctx, b.cancel = context.WithCancelCause(context.Background())
	return b
}

// setState sets the state. It must be called before anyone can read it.
func (b *connBase) setState(state transport.State) {
	state.Transport, state.CarriesURL = transportName, true
	b.state = state
}

// State implements [transport.Conn].
func (b *connBase) State() transport.State { return b.state }

// Context implements [transport.Conn].
func (b *connBase) Context() context.Context { return b.ctx }

// recordEnd records why the connection ended. It reports false if that was recorded
// before.
func (b *connBase) recordEnd(e *transport.ConnError) bool {
	b.cancel(e)
	return context.Cause(b.ctx) == error(e)
}

// Closing implements [quicstream.Owner]. It is true after a close on this
// side: the QUIC connection is closed a moment later, once the peer has read
// the reason.
func (b *connBase) Closing() bool {
	if b.ctx.Err() == nil {
		return false
	}
	e, ok := errors.AsType[*transport.ConnError](context.Cause(b.ctx))
	return ok && !e.Remote && e.Err == nil
}

// awaitCause returns why the connection ended, for a call that failed with err
// because of that. Another goroutine learns the reason; if it does not in
// time, err counts as the reason.
func (b *connBase) awaitCause(err error) error {
	timer := time.NewTimer(causeWait)
	defer timer.Stop()
	select {
	case <-b.ctx.Done():
	case <-timer.C:
		b.recordEnd(quicstream.Lost(err))
	}
	return context.Cause(b.ctx)
}

// callError translates the error of a call that took ctx.
func (b *connBase) callError(ctx context.Context, what string, err error) error {
	if ctx.Err() != nil && (errors.Is(err, ctx.Err()) || errors.Is(err, context.Cause(ctx))) {
		return fmt.Errorf("%s: %w", what, context.Cause(ctx))
	}
	return b.awaitCause(err)
}

// datagramError translates the error of SendDatagram.
func (b *connBase) datagramError(size int, err error) error {
	if large, ok := errors.AsType[*quic.DatagramTooLargeError](err); ok {
		return fmt.Errorf("a datagram of %d bytes is too large: the path carries at most %d", size, large.MaxDatagramPayloadSize)
	}
	return b.awaitCause(err)
}

// connError translates an error that ended the QUIC connection. A close with a
// mapped code has the session's code. A close without an error ends the
// session with code 0, as the end of the request's stream does.
func connError(err error) *transport.ConnError {
	app, ok := errors.AsType[*quic.ApplicationError](err)
	if !ok {
		return quicstream.Lost(err)
	}
	code, mapped := h3code.Decode(uint64(app.ErrorCode))
	if !mapped && (!app.Remote || app.ErrorCode != codeNoError && app.ErrorCode != 0) {
		return quicstream.Lost(err)
	}
	return &transport.ConnError{Code: code, Reason: app.ErrorMessage, Remote: app.Remote}
}

// A rawConn opens the streams of a session directly on the QUIC connection,
// without a WebTransport library, and writes the prefixes that assign them to
// the session. So they have all abilities of quic-go's streams.
type rawConn struct {
	*connBase
	quic       *quic.Conn
	bidiPrefix string
	uniPrefix  string
}

var _ quicstream.Owner = (*rawConn)(nil)

// setSession sets the prefixes. id is the stream of the request, which
// identifies the session.
func (c *rawConn) setSession(id quic.StreamID) {
	c.bidiPrefix = string(quicvarint.Append(quicvarint.Append(nil, bidiType), uint64(id)))
	c.uniPrefix = string(quicvarint.Append(quicvarint.Append(nil, uniType), uint64(id)))
}

// StreamCode implements [quicstream.Owner].
func (c *rawConn) StreamCode(code uint64) quic.StreamErrorCode {
	return quic.StreamErrorCode(h3code.Encode(code))
}

// StreamError implements [quicstream.Owner].
func (c *rawConn) StreamError(err error) error {
	s, ok := errors.AsType[*quic.StreamError](err)
	switch {
	case !ok:
		c.recordEnd(connError(err))
		return context.Cause(c.ctx)
	case s.Remote && s.ErrorCode == codeSessionGone:
		return c.awaitCause(err)
	}
	return streamError(s)
}

// streamError translates a reset. The code becomes 0 if it is not one that an
// application has set.
func streamError(s *quic.StreamError) *transport.StreamError {
	code, _ := h3code.Decode(uint64(s.ErrorCode))
	return &transport.StreamError{Code: code, Remote: s.Remote}
}

// OpenStream implements [transport.Conn].
func (c *rawConn) OpenStream(ctx context.Context) (transport.Stream, error) {
	s, err := open(ctx, c.connBase, c.quic.OpenStream, c.quic.OpenStreamSync)
	if err != nil {
		return nil, err
	}
	return quicstream.NewStream(c, s, c.bidiPrefix), nil
}

// OpenUniStream implements [transport.Conn].
func (c *rawConn) OpenUniStream(ctx context.Context) (transport.SendStream, error) {
	s, err := open(ctx, c.connBase, c.quic.OpenUniStream, c.quic.OpenUniStreamSync)
	if err != nil {
		return nil, err
	}
	return quicstream.NewSend(c, s, c.uniPrefix), nil
}

// open opens a stream. It waits while the peer's limit is reached, until ctx
// or the session ends; the session may end before the QUIC connection.
func open[S interface{ CancelWrite(quic.StreamErrorCode) }](
	ctx context.Context, b *connBase, now func() (S, error), wait func(context.Context) (S, error),
) (S, error) {
	var none S
	switch {
	case b.ctx.Err() != nil:
		return none, context.Cause(b.ctx)
	case ctx.Err() != nil:
		return none, fmt.Errorf("open stream: %w", context.Cause(ctx))
	}
	s, err := now()
	if _, full := errors.AsType[*quic.StreamLimitReachedError](err); full {
		both, cancel := context.WithCancel(ctx)
		stop := context.AfterFunc(b.ctx, cancel)
		s, err = wait(both)
		stop()
		cancel()
	}
	switch {
	case b.ctx.Err() != nil:
		if err == nil {
			s.CancelWrite(codeSessionGone)
		}
		return none, context.Cause(b.ctx)
	case err != nil:
		return none, b.callError(ctx, "open stream", err)
	}
	return s, nil
}

// Stats implements [transport.StatsConn].
func (c *rawConn) Stats() transport.Stats { return quicstream.Stats(c.quic) }

// A requester is the sending half of the stream of the session's request.
type requester interface {
	TryWriteAll([]byte) error
	Close() error
}

// awaitRead waits until the peer has read the close of the session. A peer that has ended
// its half of the request's stream gets a moment to close the connection itself: a browser
// has then still to tell its page of the code.
func (c *rawConn) awaitRead(peerDone <-chan struct{}) {
	timer := time.NewTimer(closeLinger)
	defer timer.Stop()
	select {
	case <-peerDone:
		timer.Reset(closeMoment)
	case <-c.quic.Context().Done():
		return
	case <-timer.C:
		return
	}
	select {
	case <-c.quic.Context().Done():
	case <-timer.C:
	}
}

// closeWith closes the session, unless it has ended. It sends the close on the
// request's stream, waits until the peer has ended its half of that stream,
// but not for long, and then closes the QUIC connection with the same code. It
// waits because the close of the QUIC connection discards what the peer has
// not read.
func (c *rawConn) closeWith(code uint64, reason string, request requester, peerDone <-chan struct{}) {
	code, reason = min(code, maxCode), quicstream.CutReason(reason)
	if !c.recordEnd(&transport.ConnError{Code: code, Reason: reason}) {
		return
	}
	// If the peer's credit does not allow it, the code of the QUIC connection
	// tells the same.
	if request.TryWriteAll(appendClose(nil, code, reason)) == nil {
		_ = request.Close()
		c.awaitRead(peerDone)
	}
	_ = c.quic.CloseWithError(quic.ApplicationErrorCode(h3code.Encode(code)), reason)
}
