// Package control reads and writes control streams: the bidirectional streams of moq-lite,
// which carry requests and their answers. It also calls the handlers of the application
// that decide about them.
//
// One goroutine reads a stream, and one at a time writes to it: either the goroutine that
// serves the stream, by [Stream.Send], or that of an [Outbox]. A caller that queues a
// message in an outbox never waits for the peer, and the queue is bounded even if the peer
// reads nothing. A caller of [Ask] waits for the application at most until its context
// ends, and survives a panic of the handler.
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

// bufferSize is the size of read buffers: most control messages fit.
const bufferSize = 512

// keptBody is the longest message whose memory is used again for the next.
const keptBody = 4 << 10

// urgency is the urgency of control streams, if the transport can prioritize them.
const urgency = 0

// A Parser is a message that can be decoded.
type Parser interface {
	Parse(v *message.Version, body []byte) error
}

// An Appender is a message that can be encoded.
type Appender interface {
	Append(v *message.Version, b []byte) []byte
}

// A Stream is a bidirectional stream of control messages. One goroutine at a time may read,
// and one may write. Resets may come from any goroutine.
type Stream struct {
	transport.Stream
	version *message.Version
	in      *bufio.Reader
	body    []byte       // of the last message, reused unless it is long
	room    message.Room // for messages that have not arrived whole; nil for no bound
}

// New returns a Stream for a transport's stream that was just opened or accepted.
func New(raw transport.Stream, v *message.Version) *Stream {
	if p, ok := transport.As[transport.Prioritizer](raw); ok {
		p.SetPriority(urgency, true)
	}
	return &Stream{Stream: raw, version: v, in: bufio.NewReaderSize(raw, bufferSize)}
}

// Open opens a stream of type t and writes its first message, if m is not nil. Once Open
// has returned, the end of ctx does not affect the stream.
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

// Within makes room bound the memory of messages that have not arrived whole. It must be
// called before anything is read.
func (st *Stream) Within(room message.Room) *Stream {
	st.room = room
	return st
}

// UseBuffer sets the size of the read buffer, for a stream with many messages. It must be
// called before anything is read. It returns a function that returns the number of reads so
// far.
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

// ReadType reads the type that a stream begins with, or that precedes a message. It returns
// io.EOF if the stream ends before it.
func (st *Stream) ReadType() (uint64, error) { return st.version.ReadVarint(st.in) }

// Receive reads one message into m, which may use the bytes until the next call. It returns
// io.EOF if the stream ends before the message.
func (st *Stream) Receive(m Parser) error {
	if err := st.Skip(); err != nil {
		return err
	}
	return m.Parse(st.version, st.body)
}

// Skip reads one message and ignores it.
func (st *Stream) Skip() error {
	if cap(st.body) > keptBody {
		st.body = nil
	}
	body, err := message.ReadBodyWithin(st.room, st.in, st.version, message.MaxBody, st.body)
	if err != nil {
		return err
	}
	st.body = body
	return nil
}

// AwaitEnd reads until the peer's half of the stream ends, ignoring what comes, and reports
// whether it has ended with a FIN.
func (st *Stream) AwaitEnd() bool {
	_, err := io.Copy(io.Discard, st.in)
	return err == nil
}

// Send writes one message. It blocks while the peer gives no credit.
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

// AbandonAt resets both halves when ctx ends, which unblocks the goroutines that read or
// write. stop ends that, and reports false if the stream was reset.
func (st *Stream) AbandonAt(ctx context.Context) (stop func() bool) {
	return context.AfterFunc(ctx, func() {
		st.CancelWrite(uint64(api.StreamCancelled))
		st.CancelRead(uint64(api.StreamCancelled))
	})
}
