package quicconn

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/quic-go/quic-go"

	"github.com/moqlite/moqlite/transport/internal/quicstream"
)

const (
	// maxEarly is how many bytes one stream may send before the handshake is
	// complete. The stream keeps a copy of them until the server has accepted
	// them, or they were sent again.
	maxEarly = 16 << 10

	// resendTimeout bounds the repetition of rejected early data. A server that
	// rejects it may grant less flow control credit than in the session that
	// was resumed; one that grants too little for longer does not want it.
	resendTimeout = 10 * time.Second
)

// An earlyData is the early data (0-RTT) of a client connection: the streams that
// were opened before the handshake was complete. If the server rejects the
// early data, all of it is sent again after the handshake on new QUIC streams,
// while the users keep their earlyStream and notice nothing.
type earlyData struct {
	conn          *conn
	complete      <-chan struct{} // closed when the handshake is complete; the QUIC connection's
	handshakeDone chan struct{}   // closed when the handshake is over: streams can be opened on conn directly
	mu            sync.Mutex
	streams       []*earlyStream
	done          bool // the handshake is over: streams opened now are not early
}

// startEarlyData starts the early data of a connection. protocol is that of the
// resumed TLS session.
func (c *conn) startEarlyData(protocol string) {
	c.protocol = protocol
	f := &earlyData{conn: c, complete: c.quic.HandshakeComplete(), handshakeDone: make(chan struct{})}
	c.early.Store(f)
	go f.awaitHandshake()
}

// awaitHandshake waits for the handshake, and then settles the early streams: they
// go on as they are if the server accepted the early data, and are sent again if
// it rejected the data but chose the same protocol. Otherwise the connection ends:
// what was sent cannot be translated to another version.
func (f *earlyData) awaitHandshake() {
	q := f.conn.quic
	defer f.conn.early.Store(nil)
	if _, err := q.NextConnection(q.Context()); err != nil {
		f.failStreams()
		return
	}
	state := q.ConnectionState()
	switch protocol := state.TLS.NegotiatedProtocol; {
	case state.Used0RTT:
		close(f.handshakeDone)
		for _, s := range f.finish() {
			s.setFinal(s.half)
		}
	case protocol == f.conn.protocol:
		close(f.handshakeDone)
		f.resend()
	default:
		f.closeConn(fmt.Errorf("the server has changed from %s to %s since the early data was sent: connect again", f.conn.protocol, protocol))
		f.failStreams()
	}
}

// finish marks the end of the early data and returns its streams. No stream is
// added later.
func (f *earlyData) finish() []*earlyStream {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.done = true
	return f.streams
}

// resend sends all early streams again.
func (f *earlyData) resend() {
	ctx, cancel := context.WithTimeout(f.conn.quic.Context(), resendTimeout)
	defer cancel()
	var work sync.WaitGroup
	for _, s := range f.finish() {
		work.Go(func() {
			if err := s.resend(ctx); err != nil {
				f.closeConn(fmt.Errorf("send the early data again, which the server has rejected: %w", err))
				s.abort(err)
			}
		})
	}
	work.Wait()
}

// closeConn closes the connection because of err.
func (f *earlyData) closeConn(err error) {
	_ = f.conn.recordEnd(err)
	_ = f.conn.CloseWithError(0, "")
}

// failStreams ends the early streams of a connection that has ended, and wakes
// the callers that wait for the handshake.
func (f *earlyData) failStreams() {
	close(f.handshakeDone)
	for _, s := range f.finish() {
		s.abort(context.Cause(f.conn.quic.Context()))
	}
}

// halves are the sending half of a stream and, if it is bidirectional, the
// receiving half.
type halves struct {
	quicstream.Writer
	reader quicstream.Reader
}

// An opener opens a stream of one kind, bidirectional or unidirectional.
type opener func(context.Context) (halves, error)

func (c *conn) openBidi(ctx context.Context) (halves, error) {
	s, err := c.quic.OpenStreamSync(ctx)
	return halves{s, s}, err
}

func (c *conn) openUni(ctx context.Context) (halves, error) {
	s, err := c.quic.OpenUniStreamSync(ctx)
	return halves{Writer: s}, err
}

// openStream opens a stream as part of the early data. If the handshake ends
// meanwhile, the stream is an ordinary one: its half is final at once.
func (f *earlyData) openStream(ctx context.Context, open opener) (*earlyStream, error) {
	h, err := open(ctx)
	if err != nil {
		return nil, err
	}
	s := &earlyStream{open: open, half: h, settled: make(chan struct{})}
	s.ctx, s.cancel = context.WithCancelCause(context.Background())
	f.mu.Lock()
	defer f.mu.Unlock()
	switch {
	case !f.done && !f.isComplete():
		f.streams = append(f.streams, s)
	case h.Context().Err() != nil: // opened early, and rejected with the early data
		return nil, context.Cause(h.Context())
	default:
		s.setFinal(h)
	}
	return s, nil
}

// isComplete reports whether the handshake is complete. A stream that is opened from
// then on is not early, even if awaitHandshake has not come to finish yet: resend
// would open it twice.
func (f *earlyData) isComplete() bool {
	select {
	case <-f.complete:
		return true
	default:
		return false
	}
}

// shouldRetry tells whether a call that failed with err should be made again: it
// failed because the server rejected the early data, and the connection lives
// on. It waits until the handshake is over, or ctx ends.
func (c *conn) shouldRetry(ctx context.Context, err error) bool {
	if !errors.Is(err, quic.Err0RTTRejected) {
		return false
	}
	if f := c.early.Load(); f != nil {
		select {
		case <-f.handshakeDone:
		case <-ctx.Done():
			return false
		}
	}
	return c.quic.Context().Err() == nil
}
