// Package signal wakes goroutines that wait for a change.
//
// No change is missed if both sides keep to an order. The code that changes the state gives
// the signal after the change. The goroutine that waits first gets the channel, then looks
// at the state, and then waits on the channel. Nothing in this package owns the state,
// blocks, or starts a goroutine.
package signal

import "sync"

// An Event happens at most once. Its channel is made when the first goroutine waits, so an
// event that nobody waits for costs no channel. The zero value has not happened. The methods
// may be called from several goroutines. An Event must not be copied.
type Event struct {
	mu sync.Mutex
	c  chan struct{} // nil if nobody has waited; the channel closed once it has happened
}

// closed is a closed channel. All events that have happened share it.
var closed = func() chan struct{} {
	c := make(chan struct{})
	close(c)
	return c
}()

// Past returns a closed channel, for contexts that have ended from the start.
func Past() <-chan struct{} { return closed }

// Happen makes the event happen. It reports false if it had happened before.
func (e *Event) Happen() bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.c == closed {
		return false
	}
	if e.c != nil {
		close(e.c)
	}
	e.c = closed
	return true
}

// Happened reports whether the event has happened.
func (e *Event) Happened() bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.c == closed
}

// Done returns a channel that is closed when the event has happened.
func (e *Event) Done() <-chan struct{} {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.c == nil {
		e.c = make(chan struct{})
	}
	return e.c
}

// A Notice wakes any number of goroutines at each change of some state. It has no lock: the
// lock that guards the state guards the notice too, so that a goroutine gets the state and
// the channel for the next change together. The zero value is ready.
type Notice struct{ c chan struct{} }

// Changed returns a channel that is closed by the next Tell.
func (n *Notice) Changed() <-chan struct{} {
	if n.c == nil {
		n.c = make(chan struct{})
	}
	return n.c
}

// Tell closes the channel that Changed has returned since the last Tell.
func (n *Notice) Tell() {
	if n.c != nil {
		close(n.c)
		n.c = nil
	}
}

// A Wake wakes one goroutine. That goroutine receives from the channel and then looks at all
// there may be to do, since several calls of Wake before it receives count as one. Make one
// with [NewWake].
type Wake chan struct{}

// NewWake returns a Wake on which the first receive blocks.
func NewWake() Wake { return make(Wake, 1) }

// Wake makes the next receive return at once. It never blocks.
func (w Wake) Wake() {
	select {
	case w <- struct{}{}:
	default:
	}
}
