package quicconn

import (
	"context"
	"sync"
	"time"
)

// A passing context behaves like another context until leave is called, and
// keeps no reference to that one afterwards. quic-go keeps the context of a
// dial for as long as the connection lives, and with it everything that the
// caller's context holds.
type passing struct {
	mu  sync.Mutex
	ctx context.Context
}

// now returns the context that p currently behaves like.
func (p *passing) now() context.Context {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.ctx
}

// leave drops the other context. It is called when the dial returns.
func (p *passing) leave() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.ctx = context.Background()
}

// Deadline implements [context.Context].
func (p *passing) Deadline() (time.Time, bool) { return p.now().Deadline() }

// Done implements [context.Context].
func (p *passing) Done() <-chan struct{} { return p.now().Done() }

// Err implements [context.Context].
func (p *passing) Err() error { return p.now().Err() }

// Value implements [context.Context].
func (p *passing) Value(key any) any { return p.now().Value(key) }
