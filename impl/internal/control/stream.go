// Package control reads and writes control streams, the bidirectional streams of
// moq-lite on which requests and their answers travel, and asks the application
// about them.
//
// Of each stream one goroutine reads, and one at a time writes: either the
// goroutine that serves the stream, by [Stream.Send], or the goroutine of an
// [Outbox]. Who puts a message into an outbox never waits for the peer, and what
// waits there is bounded, however long the peer reads nothing. Who asks the
// application ([Ask]) waits no longer than its context lasts, and outlives a
// panic.
//
// Errors of reading and writing are those of the transport.
package control

import (
	"bufio"
	"context"
	"io"

	"github.com/moqlite/moqlite/api"
	"github.com/moqlite/moqlite/impl/internal/message"
	"github.com/moqlite/moqlite/transport"
)

// bufferSize is enough for most control messages in one read.
const bufferSize = 512

// urgency is that of control streams, where the transport can rank streams.
const urgency = 0

// A Parser is a message that can be read.
type Parser interface {
	Parse(v *message.Version, body []byte) error
}

// An Appender is a message that can be written.
type Appender interface {
	Append(v *message.Version, b []byte) []byte
}

// A Stream is a bidirectional stream of control messages. Its methods that read
// are for one goroutine, and so are those that write; resets are for any.
type Stream struct {
	transport.Stream
	version *message.Version
	in      *bufio.Reader
	body    []byte // of the message being read
}

// New returns a stream that has just been opened or accepted.
func New(raw transport.Stream, v *message.Version) *Stream {
	if p, ok := raw.(transport.Prioritizer); ok {
		p.SetPriority(urgency, true)
	}
	return &Stream{Stream: raw, version: v, in: bufio.NewReaderSize(raw, bufferSize)}
}

// Open opens a stream of a type and writes its first message; m is nil for none.
// ctx bounds the opening alone.
func Open(ctx context.Context, conn transport.Conn, v *message.Version, t message.StreamType, m Appender) (*Stream, error) {
	raw, err := conn.OpenStream(ctx)
	if err != nil {
		return nil, err
	}
	st := New(raw, v)
	b := v.AppendVarint(nil, uint64(t))
	if m != nil {
		b = m.Append(v, b)
	}
	defer st.AbandonAt(ctx)()
	if _, err := st.Write(b); err != nil {
		st.Refuse(api.StreamCancelled)
		return nil, err
	}
	return st, nil
}

// UseBuffer makes reads larger, for a stream on which many messages come at once;
// nothing may have been read yet. It returns how many reads there were so far.
func (st *Stream) UseBuffer(size int) (reads func() int) {
	counted := &countedReader{Reader: st.Stream}
	st.in = bufio.NewReaderSize(counted, size)
	return func() int { return counted.reads }
}

// countedReader counts reads.
type countedReader struct {
	io.Reader
	reads int
}

// Read implements [io.Reader].
func (r *countedReader) Read(p []byte) (int, error) {
	n, err := r.Reader.Read(p)
	r.reads++
	return n, err
}

// ReadType reads what precedes a message, or is the first of a stream: its type.
// At the stream's end before it, it returns io.EOF.
func (st *Stream) ReadType() (uint64, error) { return st.version.ReadVarint(st.in) }

// Receive reads one message into m, which may keep the bytes until the next call.
// At the stream's end before the message, it returns io.EOF.
func (st *Stream) Receive(m Parser) error {
	if err := st.Skip(); err != nil {
		return err
	}
	return m.Parse(st.version, st.body)
}

// Skip reads one message, and leaves it out.
func (st *Stream) Skip() error {
	body, err := message.ReadBody(st.in, st.version, message.MaxBody, st.body)
	if err != nil {
		return err
	}
	st.body = body
	return nil
}

// AwaitEnd waits for the end of the peer's half of a stream on which the peer has
// nothing more to say, and tells whether that was a FIN.
func (st *Stream) AwaitEnd() bool {
	_, err := io.Copy(io.Discard, st.in)
	return err == nil
}

// Send writes one message. It waits for the peer's credit.
func (st *Stream) Send(m Appender) error {
	_, err := st.Write(m.Append(st.version, nil))
	return err
}

// Refuse resets both halves: the sending one with code, the receiving one with
// 0, as the reference implementations do.
func (st *Stream) Refuse(code api.StreamErrorCode) {
	st.CancelWrite(uint64(code))
	st.CancelRead(0)
}

// AbandonAt resets both halves when ctx ends, which unblocks the goroutines that
// read or write. Call stop when ctx is not to matter any more: it reports false
// where the stream has been reset.
func (st *Stream) AbandonAt(ctx context.Context) (stop func() bool) {
	return context.AfterFunc(ctx, func() {
		st.CancelWrite(uint64(api.StreamCancelled))
		st.CancelRead(uint64(api.StreamCancelled))
	})
}
