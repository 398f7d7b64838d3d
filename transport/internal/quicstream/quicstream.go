// Package quicstream adapts the streams of quic-go, and of libraries with
// streams like them, to package transport, and has what
// the adaptors of connections share. Beside the errors, it sees to what
// those streams do not promise: Close during a Write, contexts whose causes are
// transport's, and a prefix that goes out with the first bytes.
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
	// StreamCode is a code as the library's stream takes it.
	StreamCode(code uint64) quic.StreamErrorCode

	// StreamError translates the error of a stream: into a
	// [*transport.StreamError] if it is one stream's, else into the
	// [*transport.ConnError] of the connection's end. It may wait for the
	// latter. It is not asked about ends of streams, deadlines, and streams
	// closed here.
	StreamError(err error) error

	// Closing tells whether this side has closed the connection, and the library
	// may not have told the peer yet. What it tells of streams until then would
	// come first, and the peer take it for their own ends: nothing is told.
	Closing() bool
}

// A PlainWriter is a library's sending half that can do no more than it must.
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
	SetReliableBoundary() // of the prefix
}

// A Reader is a library's receiving half, quic-go's or another's.
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

// translate turns a library's error into transport's.
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

// NewStream adapts s. The peer reads prefix, which may be empty, before anything
// else.
func NewStream(o Owner, s ReadWriter, prefix string) *Stream {
	stream := new(Stream)
	stream.Send.init(o, s, prefix)
	stream.Receive.init(o, s)
	return stream
}

// A PlainStream is a bidirectional stream without optional abilities.
type PlainStream struct {
	PlainSend
	Receive
}

// NewPlainStream adapts the halves of one stream.
func NewPlainStream(o Owner, w PlainWriter, r Reader) *PlainStream {
	stream := new(PlainStream)
	stream.PlainSend.init(o, w)
	stream.Receive.init(o, r)
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
