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

// transportName is the State's name of the binding.
const transportName = transport.WebTransport

const (
	// Types that streams begin with.
	bidiType = 0x41
	uniType  = 0x54

	// codeRejected resets streams that are no session's of ours.
	codeRejected quic.StreamErrorCode = 0x3994bd84

	// codeSessionGone resets streams whose session has ended.
	codeSessionGone quic.StreamErrorCode = 0x170d7b68

	// codeCancelled resets the request of a dial that was given up.
	codeCancelled = quic.StreamErrorCode(http3.ErrCodeRequestCanceled)

	// codeNoError closes a connection whose session has ended before.
	codeNoError = quic.ApplicationErrorCode(http3.ErrCodeNoError)

	// maxCode is the largest code that WebTransport carries.
	maxCode = 1<<32 - 1

	// goodbye is how long a close waits for the peer to see it.
	goodbye = 100 * time.Millisecond

	// grace is how long a call that failed waits to learn how the connection
	// ended.
	grace = time.Second
)

// base is the life of a connection, and its description.
type base struct {
	state  transport.State
	ctx    context.Context
	cancel context.CancelCauseFunc
}

func newBase(state transport.State) *base {
	b := new(base)
	b.setState(state)
	b.ctx, b.cancel = context.WithCancelCause(context.Background())
	return b
}

// setState is called before anyone can ask for the state.
func (b *base) setState(state transport.State) {
	state.Transport, state.CarriesURL = transportName, true
	b.state = state
}

// State implements [transport.Conn].
func (b *base) State() transport.State { return b.state }

// Context implements [transport.Conn].
func (b *base) Context() context.Context { return b.ctx }

// end notes how the connection ended; it is false if that was known.
func (b *base) end(e *transport.ConnError) bool {
	b.cancel(e)
	return context.Cause(b.ctx) == error(e)
}

// Closing implements [quicstream.Owner]. The QUIC connection ends a moment after
// the session, so that the peer learns why.
func (b *base) Closing() bool {
	if b.ctx.Err() == nil {
		return false
	}
	e, ok := errors.AsType[*transport.ConnError](context.Cause(b.ctx))
	return ok && !e.Remote && e.Err == nil
}

// lost is how the connection ended, after err came of that. What it was comes
// to be known on another way, or does not.
func (b *base) lost(err error) error {
	timer := time.NewTimer(grace)
	defer timer.Stop()
	select {
	case <-b.ctx.Done():
	case <-timer.C:
		b.end(quicstream.Lost(err))
	}
	return context.Cause(b.ctx)
}

// callError translates the error of a call that ctx bounds.
func (b *base) callError(ctx context.Context, what string, err error) error {
	if ctx.Err() != nil && (errors.Is(err, ctx.Err()) || errors.Is(err, context.Cause(ctx))) {
		return fmt.Errorf("%s: %w", what, context.Cause(ctx))
	}
	return b.lost(err)
}

// datagramError translates the error of SendDatagram.
func (b *base) datagramError(size int, err error) error {
	if large, ok := errors.AsType[*quic.DatagramTooLargeError](err); ok {
		return fmt.Errorf("a datagram of %d bytes is too large: the path takes %d", size, large.MaxDatagramPayloadSize)
	}
	return b.lost(err)
}

// connError translates an error that ended the QUIC connection. A close with a
// mapped code is the session's; one that says that there is no error ends the
// session like the end of its stream, with code 0.
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

// raw is the part of a connection that goes past any WebTransport library: its
// streams are opened on the QUIC connection itself, with the prefixes that make
// them the session's, so that they have all abilities of quic-go's streams.
type raw struct {
	*base
	quic       *quic.Conn
	bidiPrefix string
	uniPrefix  string
}

var _ quicstream.Owner = (*raw)(nil)

// setSession makes id, that of the request's stream, the session's.
func (c *raw) setSession(id quic.StreamID) {
	c.bidiPrefix = string(quicvarint.Append(quicvarint.Append(nil, bidiType), uint64(id)))
	c.uniPrefix = string(quicvarint.Append(quicvarint.Append(nil, uniType), uint64(id)))
}

// StreamCode implements [quicstream.Owner].
func (c *raw) StreamCode(code uint64) quic.StreamErrorCode {
	return quic.StreamErrorCode(h3code.Encode(code))
}

// StreamError implements [quicstream.Owner].
func (c *raw) StreamError(err error) error {
	s, ok := errors.AsType[*quic.StreamError](err)
	switch {
	case !ok:
		c.end(connError(err))
		return context.Cause(c.ctx)
	case s.Remote && s.ErrorCode == codeSessionGone:
		return c.lost(err)
	}
	return streamError(s)
}

// streamError translates a reset. Codes that are not the application's mean
// that there is none.
func streamError(s *quic.StreamError) *transport.StreamError {
	code, _ := h3code.Decode(uint64(s.ErrorCode))
	return &transport.StreamError{Code: code, Remote: s.Remote}
}

// OpenStream implements [transport.Conn].
func (c *raw) OpenStream(ctx context.Context) (transport.Stream, error) {
	s, err := open(ctx, c.base, c.quic.OpenStream, c.quic.OpenStreamSync)
	if err != nil {
		return nil, err
	}
	return quicstream.NewStream(c, s, c.bidiPrefix), nil
}

// OpenUniStream implements [transport.Conn].
func (c *raw) OpenUniStream(ctx context.Context) (transport.SendStream, error) {
	s, err := open(ctx, c.base, c.quic.OpenUniStream, c.quic.OpenUniStreamSync)
	if err != nil {
		return nil, err
	}
	return quicstream.NewSend(c, s, c.uniPrefix), nil
}

// open opens a stream, now or when the peer lets it, unless the session ends
// before: that may come earlier than the end of the QUIC connection.
func open[S interface{ CancelWrite(quic.StreamErrorCode) }](
	ctx context.Context, b *base, now func() (S, error), wait func(context.Context) (S, error),
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
func (c *raw) Stats() transport.Stats { return quicstream.Stats(c.quic) }

// A requester is the stream of the session's request.
type requester interface {
	TryWriteAll([]byte) error
	Close() error
}

// closeWith ends the session, unless it is over. The peer is told on the
// request's stream, and once more by the close of the QUIC connection, which
// overtakes what the peer has not read: it comes when the peer has ended its
// half of the stream, or has had a moment to.
func (c *raw) closeWith(code uint64, reason string, request requester, peerDone <-chan struct{}) {
	code, reason = min(code, maxCode), quicstream.CutReason(reason)
	if !c.end(&transport.ConnError{Code: code, Reason: reason}) {
		return
	}
	if request.TryWriteAll(appendClose(nil, code, reason)) == nil {
		_ = request.Close()
		timer := time.NewTimer(goodbye)
		defer timer.Stop()
		select {
		case <-peerDone:
		case <-c.quic.Context().Done():
		case <-timer.C:
		}
	}
	_ = c.quic.CloseWithError(quic.ApplicationErrorCode(h3code.Encode(code)), reason)
}
