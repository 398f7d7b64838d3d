// Package quicstream adapts streams of quic-go, and of libraries with similar
// streams, to the interfaces of package transport, and contains other code
// that the adaptors of QUIC connections share. It translates errors, and adds
// what those streams do not offer: Close during a Write, contexts whose causes
// are errors of package transport, and a prefix that is sent together with the
// first bytes.
package quicstream

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"time"

	"github.com/quic-go/quic-go"

	"github.com/moqlite/moqlite/transport"
)

// An Owner is the connection that streams belong to.
type Owner interface {
	// StreamCode returns the form of a code that the library's streams take.
	StreamCode(code uint64) quic.StreamErrorCode

	// StreamError translates an error of a stream into a
	// [*transport.StreamError] if the stream was reset, or into the
	// [*transport.ConnError] with which the connection ended, for which it may
	// wait. It is not called for the end of a stream, for deadlines, or for
	// streams that were closed on this side.
	StreamError(err error) error

	// Closing tells whether this side has closed the connection, which the
	// library may not have sent yet. The streams then send no end and no
	// reset: these would arrive first, and the peer would take them for the
	// stream's own.
	Closing() bool
}

// A PlainWriter is a sending half without optional abilities.
type PlainWriter interface {
	io.WriteCloser
	CancelWrite(quic.StreamErrorCode)
	SetWriteDeadline(time.Time) error
	Context() context.Context
}

// A Writer is a sending half of quic-go.
type Writer interface {
	PlainWriter
	TryWriteAll([]byte) error
	SetPriority(urgency int8, incremental bool)
	SetReliableBoundary() // at the end of the prefix
}

// A Reader is a receiving half of quic-go or another library.
type Reader interface {
	io.Reader
	CancelRead(quic.StreamErrorCode)
	SetReadDeadline(time.Time) error
}

// A ReadWriter is a stream of quic-go.
type ReadWriter interface {
	Writer
	Reader
}

var (
	_ Writer     = (*quic.SendStream)(nil)
	_ Reader     = (*quic.ReceiveStream)(nil)
	_ ReadWriter = (*quic.Stream)(nil)
)

// translate translates an error of a library's stream into one of package
// transport's.
func translate(o Owner, err error) error {
	switch {
	case err == nil, err == io.EOF:
		return err
	case errors.Is(err, os.ErrDeadlineExceeded):
		return os.ErrDeadlineExceeded
	case errors.Is(err, quic.ErrStreamClosed):
		return net.ErrClosed
	}
	return o.StreamError(err)
}

// A Stream is a bidirectional stream.
type Stream struct {
	Send
	Receive
}

// NewStream adapts s. The peer reads prefix, which may be empty, first.
func NewStream(o Owner, s ReadWriter, prefix string) *Stream {
	stream := new(Stream)
	stream.Send.initSend(o, s, prefix)
	stream.Receive.initReceive(o, s)
	return stream
}

// A PlainStream is a bidirectional stream without optional abilities.
type PlainStream struct {
	PlainSend
	Receive
}

// NewPlainStream adapts the two halves of a stream.
func NewPlainStream(o Owner, w PlainWriter, r Reader) *PlainStream {
	stream := new(PlainStream)
	stream.PlainSend.initPlain(o, w)
	stream.Receive.initReceive(o, r)
	return stream
}

var (
	_ transport.Stream        = (*Stream)(nil)
	_ transport.SendStream    = (*Send)(nil)
	_ transport.TryWriter     = (*Send)(nil)
	_ transport.Prioritizer   = (*Send)(nil)
	_ transport.Stream        = (*PlainStream)(nil)
	_ transport.SendStream    = (*PlainSend)(nil)
	_ transport.ReceiveStream = (*Receive)(nil)
)
