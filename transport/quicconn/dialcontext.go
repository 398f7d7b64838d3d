package quicconn

import (
	"context"
	"sync"
	"time"
)

// A dialContext context behaves like another context until detach is called, and
// keeps no reference to that one afterwards. quic-go keeps the context of a
// dial for as long as the connection lives, and with it everything that the
// caller's context holds.
type dialContext struct {
	mu  sync.Mutex
	ctx context.Context
}

// current returns the context that p currently behaves like.
func (p *dialContext) current() context.Context {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.ctx
}

// detach drops the other context. It is called when the dial returns.
func (p *dialContext) detach() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.ctx = context.Background()
}

// Deadline implements [context.Context].
func (p *dialContext) Deadline() (time.Time, bool) { return p.current().Deadline() }

// Done implements [context.Context].
func (p *dialContext) Done() <-chan struct{} { return p.current().Done() }

// Err implements [context.Context].
func (p *dialContext) Err() error { return p.current().Err() }

// Value implements [context.Context].
func (p *dialContext) Value(key any) any { return p.current().Value(key) }
