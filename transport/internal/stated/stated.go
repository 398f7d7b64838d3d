// Package stated sets the URL in the State of connections that a user's
// function has dialled.
package stated

import (
	"net/url"

	"github.com/moqlite/moqlite/transport"
)

// WithURL returns c with u as the URL of its State. The result has datagrams
// and statistics if c has.
func WithURL(c transport.Conn, u *url.URL) transport.Conn {
	state := c.State()
	state.URL = u
	plain := conn{Conn: c, state: state}
	d, datagrams := c.(transport.DatagramConn)
	s, stats := c.(transport.StatsConn)
	// Abilities are found by type assertion, so the result must have those of c
	// and no others: embedding both interfaces always would promise what c
	// cannot do.
	switch {
	case datagrams && stats:
		return &struct {
			conn
			transport.DatagramConn
			transport.StatsConn
		}{plain, d, s}
	case datagrams:
		return &struct {
			conn
			transport.DatagramConn
		}{plain, d}
	case stats:
		return &struct {
			conn
			transport.StatsConn
		}{plain, s}
	}
	return &plain
}

// A conn is a connection with another State.
type conn struct {
	transport.Conn
	state transport.State
}

func (c *conn) State() transport.State { return c.state }
