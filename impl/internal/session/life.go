package session

import (
	"cmp"
	"context"
	"sync"

	"github.com/moqlite/moqlite/api"
	"github.com/moqlite/moqlite/impl/internal/signal"
	"github.com/moqlite/moqlite/transport"
)

// A life is the lifetime of a session. Only the first end counts, and no goroutine of
// the session starts after it. The zero value is a session that has not ended.
type life struct {
	// mu guards what follows. It may be taken while any other lock of the session is
	// held, and nothing else is locked below it.
	mu       sync.Mutex
	tasks    sync.WaitGroup    // the session's goroutines; added to under mu, and only before the end
	over     bool              // the session has ended
	here     bool              // this end has ended it, and closes the connection
	cause    *api.SessionError // why it has ended; set together with over
	ownCause *api.SessionError // why this end is about to end it; nil unless it is
	ctx      transport.Life
	gone     func() // called after the last goroutine; nil for none
}

// spawn runs f in a goroutine of the session. It reports false when the session
// is over.
func (l *life) spawn(f func()) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.over {
		return false
	}
	l.tasks.Go(f)
	return true
}

// endWith ends the session. first is false if it had ended before. last, if it is not nil,
// is called in one more goroutine of the session. The caller passes gone, if it is not nil,
// to afterwards.
func (l *life) endWith(cause *api.SessionError, last func()) (gone func(), first bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.over {
		return nil, false
	}
	l.over, l.cause = true, cmp.Or(l.ownCause, cause)
	if last != nil {
		l.tasks.Go(last)
	}
	l.ctx.End(l.cause)
	return l.gone, true
}

// setEndedHere notes that this end is about to end the session. The first such cause is the
// cause of the end, even if the connection is lost before end is called.
func (l *life) setEndedHere(cause *api.SessionError) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.here, l.ownCause = true, cmp.Or(l.ownCause, cause)
}

// endedHere reports whether setEndedHere was called: the caller of that closes the
// connection.
func (l *life) endedHere() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.here
}

// isOver reports whether the session has ended.
func (l *life) isOver() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.over
}

// err returns why the session has ended, nil if it has not.
func (l *life) err() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.over {
		return nil
	}
	return l.cause
}

// leftByPeer reports whether the peer has closed the session without an error.
func (l *life) leftByPeer() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.over && l.cause.Remote && l.cause.Code == api.SessionNoError
}

// context returns a context that ends with the session.
func (l *life) context() context.Context {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.over {
		return l.ctx.Context(l.cause)
	}
	return l.ctx.Context(nil)
}

// await waits for an event, or for the end of the session or ctx, which it returns.
func (l *life) await(ctx context.Context, e *signal.Event) error {
	if e.Happened() {
		return nil
	}
	select {
	case <-e.Done():
		return nil
	case <-l.context().Done():
		return l.err()
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// whenGone sets the function that is called, in a goroutine of its own, when the session
// has ended and its last goroutine has returned.
func (l *life) whenGone(f func()) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.over {
		go l.afterwards(f)
		return
	}
	l.gone = f
}

// afterwards waits for the session's goroutines and calls f. The session has ended.
func (l *life) afterwards(f func()) {
	l.tasks.Wait()
	f()
}
