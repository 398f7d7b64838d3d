package streams

import (
	"bytes"
	"context"
	"sync"

	"github.com/moqlite/moqlite/transport"
	"github.com/moqlite/moqlite/transport/internal/waiting"
)

// MaxDatagrams is how many received datagrams wait for ReceiveDatagram.
const MaxDatagrams = 128

// A Conn is the part of a connection that its streams share: the lock, the
// end, and the queues of what the peer has sent. Init must be called first.
// The lock must be held for each call of the other methods, except for those
// that wait for the peer (AcceptStream, AcceptUniStream, ReceiveDatagram) and
// Context.
type Conn struct {
	mu     *sync.Mutex
	err    *transport.ConnError // why the connection ended; nil while it lives
	ctx    context.Context
	cancel context.CancelCauseFunc
	halves map[half]struct{} // those whose callers the end has to wake

	bidi      *waiting.Queue[transport.Stream]
	uni       *waiting.Queue[transport.ReceiveStream]
	datagrams *waiting.Queue[[]byte]
}

// A half is a SendHalf or a ReceiveHalf.
type half interface {
	// connEnded ends the half, and wakes the callers that wait for it, after
	// the connection's err was set.
	connEnded()
}

// Init sets the lock. The two ends of a connection may have the same.
func (c *Conn) Init(mu *sync.Mutex) {
	c.mu = mu
	c.halves = make(map[half]struct{})
	c.bidi = waiting.NewQueue[transport.Stream]()
	c.uni = waiting.NewQueue[transport.ReceiveStream]()
	c.datagrams = waiting.NewQueue[[]byte]()
	c.ctx, c.cancel = context.WithCancelCause(context.Background())
}

// End ends the connection with err, and all halves that are not over. It reports false if
// the connection had ended before, and then does nothing.
func (c *Conn) End(err *transport.ConnError) bool {
	if c.err != nil {
		return false
	}
	c.err = err
	c.cancel(err)
	c.bidi.Close()
	c.uni.Close()
	c.datagrams.Close()
	for h := range c.halves {
		h.connEnded()
	}
	c.halves = nil
	return true
}

// Err returns why the connection has ended; nil while it lives.
func (c *Conn) Err() *transport.ConnError { return c.err }

// Halves returns how many halves are not over, for tests.
func (c *Conn) Halves() int { return len(c.halves) }

// add registers a half, unless the connection has ended.
func (c *Conn) add(h half) {
	if c.err == nil {
		c.halves[h] = struct{}{}
	}
}

// Context ends with the connection, with its error as the cause.
func (c *Conn) Context() context.Context { return c.ctx }

// Datagrams returns how many datagrams wait for ReceiveDatagram, for tests.
func (c *Conn) Datagrams() int { return c.datagrams.Len() }

// Offer enqueues a bidirectional stream of the peer for AcceptStream.
func (c *Conn) Offer(s transport.Stream) { c.bidi.Push(s) }

// OfferUni enqueues a unidirectional stream of the peer for AcceptUniStream.
func (c *Conn) OfferUni(r transport.ReceiveStream) { c.uni.Push(r) }

// OfferDatagram enqueues a copy of a datagram for ReceiveDatagram. It drops
// the datagram if MaxDatagrams wait already.
func (c *Conn) OfferDatagram(p []byte) {
	if c.datagrams.Len() < MaxDatagrams {
		c.datagrams.Push(bytes.Clone(p))
	}
}

// AcceptStream waits for the next bidirectional stream of the peer, until ctx
// or the connection ends.
func (c *Conn) AcceptStream(ctx context.Context) (transport.Stream, error) {
	return pop(ctx, c, c.bidi)
}

// AcceptUniStream waits for the next unidirectional stream of the peer, until
// ctx or the connection ends.
func (c *Conn) AcceptUniStream(ctx context.Context) (transport.ReceiveStream, error) {
	return pop(ctx, c, c.uni)
}

// ReceiveDatagram waits for the next datagram, until ctx or the connection
// ends.
func (c *Conn) ReceiveDatagram(ctx context.Context) ([]byte, error) {
	return pop(ctx, c, c.datagrams)
}

// pop waits for the next item of a queue of c. The queues are closed when the
// connection ends, and only then.
func pop[T any](ctx context.Context, c *Conn, q *waiting.Queue[T]) (T, error) {
	v, err := q.Pop(ctx)
	if err == nil {
		return v, nil
	}
	if cause := context.Cause(c.ctx); cause != nil {
		err = cause
	}
	return v, err
}

// Default sets a setting to its default d if it is zero or senseless.
func Default(v *int, d int) {
	if *v <= 0 {
		*v = d
	}
}
