package qmux

import (
	"context"
	"slices"
)

// A limiter counts which streams of a kind may be opened, and hands what
// becomes free to whoever has waited longest. The connection's lock guards it.
type limiter struct {
	max     uint64 // how many the peer has allowed since the beginning
	used    uint64
	waiting []chan struct{} // each closed when its stream is granted
	next    uint64          // of the stream that sends first
}

// acquire takes one, waiting for it without the lock of c. The connection may
// have ended meanwhile.
func (m *limiter) acquire(ctx context.Context, c *Conn) error {
	if m.used < m.max && len(m.waiting) == 0 && c.out.control.len() < maxControl {
		m.used++
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
	for m.used < m.max && len(m.waiting) > 0 {
		m.used++
		close(m.waiting[0])
		m.waiting = slices.Delete(m.waiting, 0, 1)
	}
}
