package qmux

import (
	"context"

	"github.com/moqlite/moqlite/transport/internal/waiting"
)

// A limiter counts the streams of one kind that this side may open. The
// connection's lock guards it.
type limiter struct {
	max   uint64 // allowed by the peer since the start
	used  uint64
	turns waiting.Turns
	next  uint64 // the sequence number of the next stream that sends
}

// acquire waits until another stream may be opened, and counts it. It releases
// the lock of c while it waits; the connection may have ended when it returns.
func (m *limiter) acquire(ctx context.Context, c *Conn) error {
	if m.used >= m.max || m.turns.Waiting() || c.out.control.len() >= maxControl {
		return m.turns.Await(ctx, &c.mu, c.ctx.Done())
	}
	m.used++
	return nil
}

// raise sets a limit to what the peer allows. It never lowers the limit.
func (c *Conn) raise(m *limiter, limit uint64) {
	m.max = max(m.max, limit)
	if c.out.control.len() < maxControl {
		m.admit()
	}
}

// admit wakes callers that wait to open streams, as many as may open one. It
// is called when limits were raised or control frames were sent.
func (c *Conn) admit() {
	c.openBidi.admit()
	c.openUni.admit()
}

func (m *limiter) admit() {
	for m.used < m.max && m.turns.Next() {
		m.used++
	}
}
