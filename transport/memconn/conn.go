package memconn

import (
	"context"
	"errors"
	"net/url"
	"sync"

	"github.com/moqlite/moqlite/transport"
	"github.com/moqlite/moqlite/transport/internal/streams"
)

// ErrSevered is the cause with which [Conn.Sever] ends a connection.
var ErrSevered = errors.New("link severed")

// A Conn is one end of a connection.
type Conn struct {
	mu     *sync.Mutex // shared by both ends; guards all their state
	peer   *Conn
	config Config
	state  transport.State
	shared streams.Conn

	openBidi streams.Limit
	openUni  streams.Limit
	credit   int           // how many more bytes the peer accepts
	waiting  []*sendStream // for credit, first come, first served
	path     path          // delayed frames to the peer
	floating int           // datagrams in path
	stats    transport.Stats
}

var _ interface {
	transport.Conn
	transport.DatagramConn
	transport.StatsConn
} = (*Conn)(nil)

// ends are the parameters of a pair of ends.
type ends struct {
	protocol       string
	url            *url.URL
	client, server Addr
}

// Pipe makes both ends of a connection that has negotiated protocol. A nil
// Config means the defaults. The URL in their State has no path and no query;
// to set them, dial over a [Network].
func Pipe(protocol string, client, server *Config) (c, s *Conn) {
	return newPair(client, server, ends{
		protocol: protocol,
		url:      &url.URL{Scheme: "memory", Host: "server"},
		client:   "client",
		server:   "server",
	})
}

func newPair(client, server *Config, e ends) (c, s *Conn) {
	mu := new(sync.Mutex)
	c = newConn(mu, client, e.protocol, e.url, e.client, e.server)
	s = newConn(mu, server, e.protocol, e.url, e.server, e.client)
	c.meet(s)
	s.meet(c)
	return c, s
}

func newConn(mu *sync.Mutex, cfg *Config, protocol string, u *url.URL, local, remote Addr) *Conn {
	copied := *u
	c := &Conn{
		mu:     mu,
		config: cfg.withDefaults(),
		state: transport.State{
			Protocol:   protocol,
			Transport:  Name,
			Local:      local,
			Remote:     remote,
			URL:        &copied,
			CarriesURL: true,
		},
	}
	c.shared.Init(mu)
	return c
}

// meet sets the peer and takes over the limits that it grants.
func (c *Conn) meet(peer *Conn) {
	c.peer = peer
	c.credit = peer.config.ConnWindow
	c.openBidi.Raise(uint64(max(0, peer.config.MaxStreams)))
	c.openUni.Raise(uint64(max(0, peer.config.MaxUniStreams)))
	rtt := c.config.OneWayDelay + peer.config.OneWayDelay
	c.stats.MinRTT, c.stats.RTT = rtt, rtt
}

// OpenStream opens a bidirectional stream. The peer learns of it when
// something is sent on it.
func (c *Conn) OpenStream(ctx context.Context) (transport.Stream, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := c.shared.Open(ctx, &c.openBidi, false); err != nil {
		return nil, err
	}
	return newBidi(c), nil
}

// OpenUniStream opens a unidirectional stream. The peer learns of it when
// something is sent on it.
func (c *Conn) OpenUniStream(ctx context.Context) (transport.SendStream, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := c.shared.Open(ctx, &c.openUni, false); err != nil {
		return nil, err
	}
	return newUni(c), nil
}

// AcceptStream waits for the next bidirectional stream of the peer.
func (c *Conn) AcceptStream(ctx context.Context) (transport.Stream, error) {
	return c.shared.AcceptStream(ctx)
}

// AcceptUniStream waits for the next unidirectional stream of the peer.
func (c *Conn) AcceptUniStream(ctx context.Context) (transport.ReceiveStream, error) {
	return c.shared.AcceptUniStream(ctx)
}

// CloseWithError ends the connection: this end at once, the peer's end after
// the delay.
func (c *Conn) CloseWithError(code uint64, reason string) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.end(&transport.ConnError{Code: code, Reason: reason}) {
		c.send(frame{kind: frameClose, end: &transport.ConnError{Code: code, Reason: reason, Remote: true}})
	}
	return nil
}

// Sever breaks both ends of the connection at once, as a cut cable would: they
// end with a [*transport.ConnError] whose Err is cause, or [ErrSevered] if
// cause is nil. An end that has ended before stays as it is.
func (c *Conn) Sever(cause error) {
	if cause == nil {
		cause = ErrSevered
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.end(&transport.ConnError{Err: cause})
	c.peer.end(&transport.ConnError{Err: cause})
}

// end ends this end of the connection. It reports false if that had ended
// before.
func (c *Conn) end(err *transport.ConnError) bool {
	if !c.shared.End(err) {
		return false
	}
	c.waiting = nil
	c.peer.path.stop()
	return true
}

// State describes the connection.
func (c *Conn) State() transport.State { return c.state }

// Context ends with the connection.
func (c *Conn) Context() context.Context { return c.shared.Context() }

// Stats returns the counters. Bytes are those of streams and datagrams. A
// packet is whatever is sent at once: a piece of data, or a message about a
// stream.
func (c *Conn) Stats() transport.Stats {
	c.mu.Lock()
	defer c.mu.Unlock()
	s := c.stats
	s.CongestionWindow = uint64(c.peer.config.ConnWindow)
	return s
}
