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
	// complete. The client keeps a copy of them until the server has accepted
	// them.
	maxEarly = 16 << 10

	// repeatTimeout bounds the repetition of rejected early data. The server
	// granted enough flow control credit for it in the session that is
	// resumed, so running out of credit for long means that something is
	// wrong.
	repeatTimeout = 10 * time.Second
)

// A flight is the early data (0-RTT) of a client connection: the streams that
// were opened before the handshake was complete. If the server rejects the
// early data, all of it is sent again after the handshake on new QUIC streams,
// while the users keep their earlyStream and notice nothing.
type flight struct {
	conn    *conn
	usual   chan struct{} // closed when the handshake is over: streams can be opened on conn directly
	mu      sync.Mutex
	streams []*earlyStream
	landed  bool // the handshake is over: streams opened now are not early
}

// takeOff starts the early data of a connection. protocol is that of the
// resumed TLS session.
func (c *conn) takeOff(protocol string) {
	c.protocol = protocol
	f := &flight{conn: c, usual: make(chan struct{})}
	c.flight.Store(f)
	go f.land()
}

// land waits for the handshake, and then settles the early streams: they go on
// as they are if the server accepted the early data, and are repeated if it
// rejected the data but chose the same protocol. Otherwise the connection
// ends.
func (f *flight) land() {
	q := f.conn.quic
	defer f.conn.flight.Store(nil)
	if _, err := q.NextConnection(q.Context()); err != nil {
		f.lose()
		return
	}
	state := q.ConnectionState()
	switch protocol := state.TLS.NegotiatedProtocol; {
	case state.Used0RTT:
		close(f.usual)
		for _, s := range f.end() {
			s.settle(s.half)
		}
	case protocol == f.conn.protocol:
		close(f.usual)
		f.repeat()
	default:
		f.fail(fmt.Errorf("the server has changed from %s to %s: connect again", f.conn.protocol, protocol))
		f.lose()
	}
}

// end marks the end of the early data and returns its streams. No stream is
// added later.
func (f *flight) end() []*earlyStream {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.landed = true
	return f.streams
}

// repeat sends all early streams again.
func (f *flight) repeat() {
	ctx, cancel := context.WithTimeout(f.conn.quic.Context(), repeatTimeout)
	defer cancel()
	var work sync.WaitGroup
	for _, s := range f.end() {
		work.Go(func() {
			if err := s.repeat(ctx); err != nil {
				f.fail(fmt.Errorf("send again what the server has not taken early: %w", err))
				s.lose(err)
			}
		})
	}
	work.Wait()
}

// fail closes the connection because of err.
func (f *flight) fail(err error) {
	_ = f.conn.end(err)
	_ = f.conn.CloseWithError(0, "")
}

// lose settles the early streams of a connection that has ended, and wakes the
// callers that wait for the handshake.
func (f *flight) lose() {
	close(f.usual)
	for _, s := range f.end() {
		s.lose(context.Cause(f.conn.quic.Context()))
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

func (c *conn) openBoth(ctx context.Context) (halves, error) {
	s, err := c.quic.OpenStreamSync(ctx)
	return halves{s, s}, err
}

func (c *conn) openUni(ctx context.Context) (halves, error) {
	s, err := c.quic.OpenUniStreamSync(ctx)
	return halves{Writer: s}, err
}

// open opens a stream as part of the early data. If the handshake ends
// meanwhile, the stream is settled at once.
func (f *flight) open(ctx context.Context, open opener) (*earlyStream, error) {
	h, err := open(ctx)
	if err != nil {
		return nil, err
	}
	s := &earlyStream{open: open, half: h, settled: make(chan struct{})}
	s.ctx, s.cancel = context.WithCancelCause(context.Background())
	f.mu.Lock()
	defer f.mu.Unlock()
	switch {
	case !f.landed:
		f.streams = append(f.streams, s)
	case h.Context().Err() != nil: // opened early, and rejected with the early data
		return nil, context.Cause(h.Context())
	default:
		s.settle(h)
	}
	return s, nil
}

// again tells whether a call that failed with err should be made again: it
// failed because the server rejected the early data, and the connection lives
// on. It waits until the handshake is over, or ctx ends.
func (c *conn) again(ctx context.Context, err error) bool {
	if !errors.Is(err, quic.Err0RTTRejected) {
		return false
	}
	if f := c.flight.Load(); f != nil {
		select {
		case <-f.usual:
		case <-ctx.Done():
			return false
		}
	}
	return c.quic.Context().Err() == nil
}
