// Package signal tells waiting goroutines that something has changed.
//
// No change is missed: a goroutine that first gets the channel of a signal, then
// looks at the state that the signal is for, and then waits on the channel, is
// woken by every change of that state after its look. In return, the code that
// changes the state gives the signal after the change. Nothing in this package
// owns the state, blocks, or starts a goroutine.
package signal

import "sync"

// An Event happens once, if at all. The channel for it is made for the first
// goroutine that waits, and given up when the event happens, so that an event
// nobody waits for costs no channel. The zero value has not happened. Its
// methods may be called from several goroutines; it must not be copied.
type Event struct {
	mu sync.Mutex
	c  chan struct{} // nil while nobody waits, and closed once it has happened
}

// closed is the channel of every event that has happened.
var closed = func() chan struct{} {
	c := make(chan struct{})
	close(c)
	return c
}()

// Past returns the channel of an event that has happened, for contexts that end
// before they are waited for.
func Past() <-chan struct{} { return closed }

// Happen makes the event happen. It reports false when it had happened before.
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

// Happened tells whether the event has happened.
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

// A Notice tells any number of goroutines of each change of something. It has no
// lock: the lock that guards what changes guards the notice too, so that the
// state and the channel that tells of the next one are read together. The zero
// value is ready.
type Notice struct{ c chan struct{} }

// Changed returns a channel that is closed by the next Tell.
func (n *Notice) Changed() <-chan struct{} {
	if n.c == nil {
		n.c = make(chan struct{})
	}
	return n.c
}

// Tell closes the channel that Changed has returned, if it has.
func (n *Notice) Tell() {
	if n.c != nil {
		close(n.c)
		n.c = nil
	}
}

// A Wake makes one goroutine look again. That goroutine receives from it and
// then looks at everything there may be to do: several calls of Wake before it
// receives count as one. Make one with [NewWake].
type Wake chan struct{}

// NewWake returns a Wake that holds nothing yet.
func NewWake() Wake { return make(Wake, 1) }

// Wake makes the next receive return at once. It never blocks.
func (w Wake) Wake() {
	select {
	case w <- struct{}{}:
	default:
	}
}
