package memconn

import (
	"context"
	"slices"
)

// A limiter counts how many streams of a kind may be opened now, and hands
// what becomes free to whoever has waited longest. The connection's lock
// guards it.
type limiter struct {
	free    int
	waiting []chan struct{} // each closed when its stream is granted
}

// acquire takes one, waiting for it without the lock of c. The connection may
// have ended meanwhile.
func (m *limiter) acquire(ctx context.Context, c *Conn) error {
	if m.free > 0 {
		m.free--
		return nil
	}
	granted := make(chan struct{})
	m.waiting = append(m.waiting, granted)
	c.mu.Unlock()
	select {
	case <-granted:
	case <-ctx.Done():
	case <-c.ctx.Done():
	}
	c.mu.Lock()
	i := slices.Index(m.waiting, granted)
	if i < 0 {
		return nil
	}
	m.waiting = slices.Delete(m.waiting, i, i+1)
	return context.Cause(ctx)
}

// release gives one back.
func (m *limiter) release() {
	if len(m.waiting) == 0 {
		m.free++
		return
	}
	close(m.waiting[0])
	m.waiting = slices.Delete(m.waiting, 0, 1)
}
