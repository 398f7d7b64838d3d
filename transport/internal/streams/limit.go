package streams

import (
	"context"

	"github.com/moqlite/moqlite/transport/internal/waiting"
)

// A Limit counts the streams of one kind that this side may open. The
// connection's lock must be held for each call. The zero value allows none.
type Limit struct {
	max   uint64 // allowed by the peer since the start
	used  uint64
	turns waiting.Turns
}

// Raise sets how many streams the peer has allowed since the start. It never
// lowers the limit. The callers that wait in Open go on waiting until Admit.
func (m *Limit) Raise(limit uint64) { m.max = max(m.max, limit) }

// Grow raises the limit by one stream, and admits a caller to it.
func (m *Limit) Grow() {
	m.max++
	m.Admit()
}

// Admit lets callers of Open go on, the longest waiting first, as many as may
// open a stream.
func (m *Limit) Admit() {
	for m.used < m.max && m.turns.Next() {
		m.used++
	}
}

// Open waits until another stream may be opened, and counts it. It returns the
// cause of ctx if that ends first, and the connection's error if that has
// ended. A full connection can open none for now, whatever the limit: the
// caller then waits for the next Admit. Open releases the lock while it waits.
func (c *Conn) Open(ctx context.Context, m *Limit, full bool) error {
	if c.err != nil {
		return c.err
	}
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if m.used < m.max && !m.turns.Waiting() && !full {
		m.used++
		return nil
	}
	err := m.turns.Await(ctx, c.mu, c.ctx.Done())
	if c.err != nil {
		return c.err
	}
	return err
}
