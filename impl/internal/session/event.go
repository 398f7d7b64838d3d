package session

import "sync"

// An event happens once, if at all. A channel for it is made for who waits, and
// none is held when it has happened: a session has several, and few are waited
// for. The zero value has not happened.
type event struct {
	mu sync.Mutex
	c  chan struct{} // nil while nobody waits, and past when it has happened
}

// happen tells who waits, and reports false when it had happened before.
func (e *event) happen() bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.c == past {
		return false
	}
	if e.c != nil {
		close(e.c)
	}
	e.c = past
	return true
}

func (e *event) happened() bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.c == past
}

// done is closed when it has happened.
func (e *event) done() <-chan struct{} {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.c == nil {
		e.c = make(chan struct{})
	}
	return e.c
}

// past is over.
var past = func() chan struct{} {
	c := make(chan struct{})
	close(c)
	return c
}()
