package quicconn

import (
	"context"
	"sync"
	"time"
)

// A passing context is another one until it is left, and holds nothing of that
// from then on. quic-go keeps the context of a dial for as long as the connection
// lives, which would keep all that the caller has in it.
type passing struct {
	mu  sync.Mutex
	ctx context.Context
}

func (p *passing) now() context.Context {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.ctx
}

// leave is the end of the call.
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
