// Package stated sets the URL in the State of connections that a user's
// function has dialled.
package stated

import (
	"net/url"

	"github.com/moqlite/moqlite/transport"
)

// WithURL returns c with u as the URL of its State. The result has the
// abilities of c.
func WithURL(c transport.Conn, u *url.URL) transport.Conn {
	state := c.State()
	state.URL = u
	plain := conn{Conn: c, state: state}
	d, ok := transport.As[transport.DatagramConn](c)
	if !ok {
		return &plain
	}
	return &struct { // what carries data is not found below a wrapper
		conn
		transport.DatagramConn
	}{plain, d}
}

// A conn is a connection with another State.
type conn struct {
	transport.Conn
	state transport.State
}

func (c *conn) State() transport.State { return c.state }

// Unwrap returns the connection, for [transport.As].
func (c *conn) Unwrap() transport.Conn { return c.Conn }
