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
	// maxEarly is how much a stream sends before the handshake is complete,
	// since it is kept until the server has taken it.
	maxEarly = 16 << 10

	// repeatTimeout is how long the server may withhold credit for what it does
	// not take early, and had credit for when it was there last.
	repeatTimeout = 10 * time.Second
)

// A flight is what a client sends before its handshake is complete (0-RTT). If
// the server takes none of that, it is sent once more after the handshake, on
// other streams, of which those who use the streams see nothing.
type flight struct {
	conn    *conn
	usual   chan struct{} // closed when the connection opens streams as usual
	mu      sync.Mutex
	streams []*earlyStream
	landed  bool // no more streams are part of it
}

// takeOff begins the flight of a connection, which speaks the protocol of the
// session that it resumes.
func (c *conn) takeOff(protocol string) {
	c.protocol = protocol
	f := &flight{conn: c, usual: make(chan struct{})}
	c.flight.Store(f)
	go f.land()
}

// land waits for the handshake, and sees to what was sent before.
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

// end returns the streams. There are no more from then on.
func (f *flight) end() []*earlyStream {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.landed = true
	return f.streams
}

// repeat sends all of it once more.
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

// fail ends the connection.
func (f *flight) fail(err error) {
	_ = f.conn.end(err)
	_ = f.conn.CloseWithError(0, "")
}

// lose ends what waits: the connection has ended.
func (f *flight) lose() {
	close(f.usual)
	for _, s := range f.end() {
		s.lose(context.Cause(f.conn.quic.Context()))
	}
}

// halves are those of a stream; there may be no reader.
type halves struct {
	quicstream.Writer
	reader quicstream.Reader
}

// An opener opens streams of one kind.
type opener func(context.Context) (halves, error)

func (c *conn) openBoth(ctx context.Context) (halves, error) {
	s, err := c.quic.OpenStreamSync(ctx)
	return halves{s, s}, err
}

func (c *conn) openUni(ctx context.Context) (halves, error) {
	s, err := c.quic.OpenUniStreamSync(ctx)
	return halves{Writer: s}, err
}

// open opens a stream as part of the flight; nil when that is over.
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
	case h.Context().Err() != nil: // it was part of it yet
		return nil, context.Cause(h.Context())
	default:
		s.settle(h)
	}
	return s, nil
}

// again tells whether a call that has failed is to be made again, since the
// connection now does as usual. It waits for that.
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
