package qmux

import (
	"context"

	"github.com/moqlite/moqlite/transport/internal/waiting"
)

// A limiter counts which streams of a kind may be opened. The connection's lock
// guards it.
type limiter struct {
	max   uint64 // how many the peer has allowed since the beginning
	used  uint64
	turns waiting.Turns
	next  uint64 // of the stream that sends first
}

// acquire takes one, waiting for it without the lock of c. The connection may
// have ended meanwhile.
func (m *limiter) acquire(ctx context.Context, c *Conn) error {
	if m.used >= m.max || m.turns.Waiting() || c.out.control.len() >= maxControl {
		return m.turns.Await(ctx, &c.mu, c.ctx.Done())
	}
	m.used++
	return nil
}

// raise lets the peer allow more; it cannot take back.
func (c *Conn) raise(m *limiter, limit uint64) {
	m.max = max(m.max, limit)
	if c.out.control.len() < maxControl {
		m.admit()
	}
}

// admit lets those open streams who wait for control frames to be sent.
func (c *Conn) admit() {
	c.openBidi.admit()
	c.openUni.admit()
}

func (m *limiter) admit() {
	for m.used < m.max && m.turns.Next() {
		m.used++
	}
}
