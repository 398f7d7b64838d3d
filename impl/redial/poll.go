package redial

import (
	"context"
	"errors"
	"sync"
)

// AcceptGroup returns what has been received even if its context is done. The
// sessions beneath keep that promise, but a group that waits in one of them is
// not at hand: its feed takes it first. So AcceptGroup polls the feeds before it
// gives up: each of them then takes what is there, or shows that nothing is.

// errPolled interrupts a feed that waits for a group.
var errPolled = errors.New("asked for what has been received")

// isPolled reports whether err is that of a wait which a question has interrupted.
func isPolled(wait context.Context, err error) bool {
	return wait.Err() != nil && (errors.Is(err, errPolled) || errors.Is(err, context.Canceled))
}

// A poll asks a feed whether it has received anything.
type poll struct {
	mu     sync.Mutex
	ctx    context.Context // of the feed's AcceptGroup; ends by a question
	cancel context.CancelCauseFunc
	empty  chan struct{} // closed when nothing was there; nil if nobody asks
}

// context returns the context in which the feed waits for the next group.
func (p *poll) context() context.Context {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.ctx
}

// renew answers a question, if there is one: nothing was there.
func (p *poll) renew(accepting context.Context) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.empty != nil {
		close(p.empty)
		p.empty = nil
	}
	p.ctx, p.cancel = context.WithCancelCause(accepting)
}

// ask returns a channel that is closed when the feed has come to wait and nothing
// was there.
func (p *poll) ask() <-chan struct{} {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.empty == nil {
		p.empty = make(chan struct{})
		p.cancel(errPolled)
	}
	return p.empty
}

// received returns what has been received and not been delivered; the zero
// delivery if there is nothing.
func (t *track) received() (d delivery) {
	for _, f := range t.allFeeds() {
		select {
		case d = <-t.groups:
			return d
		case <-f.poll.ask():
		case <-f.done.Done():
		case <-t.ctx.Done():
			return d
		}
	}
	select {
	case d = <-t.groups:
	default:
	}
	return d
}
