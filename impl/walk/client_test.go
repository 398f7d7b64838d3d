package walk

import (
	"context"
	"sync"
	"time"

	"github.com/moqlite/moqlite/api"
	"github.com/moqlite/moqlite/impl"
)

// A client is the part of viewers and followers that has a session.
type client struct {
	stage   *stage
	name    string
	lasting bool
	impl    *impl.Client
	ctx     context.Context // the process
	leave   context.CancelFunc

	sessionMu sync.Mutex
	session   api.Session // nil while it dials
	gone      bool        // its plain session has ended, or is not needed any more
}

func newClient(s *stage, name string, spec linkSpec, lasting bool) *client {
	l := s.attach(spec)
	c := &client{stage: s, name: name, lasting: lasting}
	c.ctx, c.leave = context.WithCancel(context.Background())
	c.impl = &impl.Client{Config: l.config(0), Transport: dialer{l, nil}}
	return c
}

// live dials a session and calls f with it, again and again until f is done. A
// client with a plain session leaves when that ends, or when its peer sends a
// GOAWAY.
func (c *client) live(f func(api.Session) (done bool)) {
	session := c.dial()
	if session == nil {
		return
	}
	defer session.Terminate(api.SessionNoError, "")
	for c.ctx.Err() == nil && session.Context().Err() == nil && (c.lasting || !isClosed(session.GoneAway())) {
		if f(session) {
			break
		}
		c.sleep(500 * time.Millisecond)
	}
	c.sessionMu.Lock()
	defer c.sessionMu.Unlock()
	c.gone = true
}

// dial returns nil if the client has left before there was a session.
func (c *client) dial() api.Session {
	var d api.Dialer = c.impl
	if c.lasting {
		d = impl.NewRedialer(c.impl, policy)
	}
	for c.ctx.Err() == nil {
		s, err := d.Dial(c.ctx, url, api.NewTrackMux())
		if err == nil {
			c.sessionMu.Lock()
			defer c.sessionMu.Unlock()
			c.session = s
			return s
		}
		c.sleep(500 * time.Millisecond)
	}
	return nil
}

func (c *client) sleep(d time.Duration) {
	select {
	case <-time.After(d):
	case <-c.ctx.Done():
	}
}

// now returns the session; nil while there is none.
func (c *client) now() api.Session {
	c.sessionMu.Lock()
	defer c.sessionMu.Unlock()
	return c.session
}

// stands reports whether the client is still interested, and can be reached
// when all is well.
func (c *client) stands() bool {
	c.sessionMu.Lock()
	defer c.sessionMu.Unlock()
	if c.gone || c.ctx.Err() != nil {
		return false
	}
	return c.lasting || c.session != nil && c.session.Context().Err() == nil && !isClosed(c.session.GoneAway())
}

// close ends the client at once.
func (c *client) close() {
	c.leave()
	_ = c.impl.Close()
}
