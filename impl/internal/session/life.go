package session

import (
	"context"
	"sync"

	"github.com/moqlite/moqlite/api"
	"github.com/moqlite/moqlite/transport"
)

// A life is how long a session lasts. The first end wins, and no goroutine of the
// session begins after it. The zero value has begun.
type life struct {
	mu    sync.Mutex
	tasks sync.WaitGroup // with mu: Add only before the end
	over  bool
	here  bool              // ended at this end, which closes the connection
	cause *api.SessionError // with over: code that finds the session over finds why
	fate  *api.SessionError // why it is about to end, where this end has decided so
	ctx   transport.Life
	gone  func() // to be called when nothing is left
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

// end ends the session, and reports false when it was over before. gone, if not
// nil, is for afterwards to call.
func (l *life) end(cause *api.SessionError) (gone func(), first bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.over {
		return nil, false
	}
	l.over, l.cause = true, orDefault(l.fate, cause)
	l.ctx.End(l.cause)
	return l.gone, true
}

// endsHere notes that this end is about to end the session, and why: the first
// such cause is that of the end, whatever comes first then.
func (l *life) endsHere(cause *api.SessionError) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.here, l.fate = true, orDefault(l.fate, cause)
}

// endedHere tells whether this end has ended the session, and so closes the
// connection.
func (l *life) endedHere() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.here
}

// isOver tells whether the session has ended.
func (l *life) isOver() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.over
}

// err is why the session has ended, or nil.
func (l *life) err() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.over {
		return nil
	}
	return l.cause
}

// context ends with the session.
func (l *life) context() context.Context {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.over {
		return l.ctx.Context(l.cause)
	}
	return l.ctx.Context(nil)
}

// whenGone notes what is to be called when nothing is left of the session. Where
// that is over already, f is called in a goroutine of its own.
func (l *life) whenGone(f func()) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.over {
		go l.afterwards(f)
		return
	}
	l.gone = f
}

// afterwards calls f when nothing is left of the session, which is over.
func (l *life) afterwards(f func()) {
	l.tasks.Wait()
	f()
}
