package memconn

import (
	"context"

	"github.com/moqlite/moqlite/transport/internal/waiting"
)

// A limiter counts how many streams of a kind may be opened now. The
// connection's lock guards it.
type limiter struct {
	free  int
	turns waiting.Turns
}

// acquire takes one, waiting for it without the lock of c. The connection may
// have ended meanwhile.
func (m *limiter) acquire(ctx context.Context, c *Conn) error {
	if m.free == 0 {
		return m.turns.Await(ctx, c.mu, c.ctx.Done())
	}
	m.free--
	return nil
}

// release gives one back.
func (m *limiter) release() {
	if !m.turns.Next() {
		m.free++
	}
}
