package memconn

import (
	"context"

	"github.com/moqlite/moqlite/transport/internal/waiting"
)

// A limiter counts how many more streams of one kind may be opened. The
// connection's lock guards it.
type limiter struct {
	free  int
	turns waiting.Turns
}

// acquire waits until another stream may be opened, and counts it. It releases
// the lock of c while it waits; the connection may have ended when it returns.
func (m *limiter) acquire(ctx context.Context, c *Conn) error {
	if m.free == 0 {
		return m.turns.Await(ctx, c.mu, c.ctx.Done())
	}
	m.free--
	return nil
}

// release allows another stream.
func (m *limiter) release() {
	if !m.turns.Next() {
		m.free++
	}
}
