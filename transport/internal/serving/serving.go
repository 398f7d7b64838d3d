// Package serving has what the servers of WebTransport and WebSocket do with
// the connections that they have accepted: they keep them in a [Group], whose
// Close closes them all, and have an application [Serve] each.
//
// What always holds: once Close was called, no connection of the group stays
// open, and nothing begins that Wait does not wait for.
package serving

import (
	"context"
	"sync"
	"time"

	"github.com/moqlite/moqlite/transport"
)

const (
	// waitAtMost bounds Wait: an application may ignore the end of its
	// connection.
	waitAtMost = time.Second

	// codeInternal is moq-lite's session code for an internal error.
	codeInternal = 1
)

// A Group is the connections of a server, and the work that its Close waits
// for. The zero value is ready to use. All methods may be called concurrently.
type Group struct {
	mu     sync.Mutex
	conns  map[transport.Conn]struct{}
	closed bool
	work   sync.WaitGroup
}

// Begin counts a piece of work until Done. It reports false after Close.
func (g *Group) Begin() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.closed {
		return false
	}
	g.work.Add(1)
	return true
}

// Done ends a piece of work.
func (g *Group) Done() { g.work.Done() }

// Add adds a connection until its end. After Close it closes c with code 0 in
// place of that, and reports false.
func (g *Group) Add(c transport.Conn) bool {
	if !g.add(c) {
		_ = c.CloseWithError(0, "")
		return false
	}
	context.AfterFunc(c.Context(), func() {
		g.mu.Lock()
		defer g.mu.Unlock()
		delete(g.conns, c)
	})
	return true
}

func (g *Group) add(c transport.Conn) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.closed {
		return false
	}
	if g.conns == nil {
		g.conns = make(map[transport.Conn]struct{})
	}
	g.conns[c] = struct{}{}
	return true
}

// Close closes all connections with code 0, and refuses further work and
// connections.
func (g *Group) Close() {
	g.mu.Lock()
	g.closed = true
	var closing sync.WaitGroup
	for c := range g.conns {
		closing.Go(func() { _ = c.CloseWithError(0, "") })
	}
	g.mu.Unlock()
	closing.Wait()
}

// Wait waits until all work is done, for a second at most. It is called after
// Close.
func (g *Group) Wait() {
	done := make(chan struct{})
	go func() {
		g.work.Wait()
		close(done)
	}()
	timer := time.NewTimer(waitAtMost)
	defer timer.Stop()
	select {
	case <-done:
	case <-timer.C:
	}
}

// Serve calls serve with c. If that panics, Serve calls panicked with the
// value and closes c.
func Serve(c transport.Conn, serve func(transport.Conn), panicked func(any)) {
	defer func() {
		if p := recover(); p != nil {
			panicked(p)
			_ = c.CloseWithError(codeInternal, "internal error")
		}
	}()
	serve(c)
}
