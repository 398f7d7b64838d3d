package memconn

import (
	"context"
	"errors"
	"net/url"
	"sync"

	"github.com/moqlite/moqlite/transport"
	"github.com/moqlite/moqlite/transport/internal/waiting"
)

// ErrSevered is the cause with which [Conn.Sever] ends a connection.
var ErrSevered = errors.New("link severed")

// A Conn is one end of a connection.
type Conn struct {
	mu     *sync.Mutex // shared by both ends; guards all their state
	peer   *Conn
	config Config
	state  transport.State
	ctx    context.Context
	cancel context.CancelCauseFunc

	bidi      *waiting.Queue[*stream]
	uni       *waiting.Queue[*recvStream]
	datagrams *waiting.Queue[[]byte]

	err      *transport.ConnError // why the connection ended; nil while it lives
	openBidi limiter
	openUni  limiter
	credit   int               // how many more bytes the peer accepts
	waiting  []*sendStream     // for credit, first come, first served
	halves   map[half]struct{} // open halves, to wake their callers at the end
	path     path              // delayed frames to the peer
	floating int               // datagrams in path
	stats    transport.Stats
}

// A half is a sendStream or a recvStream.
type half interface {
	// connEnded wakes the callers that wait, after the connection's err was
	// set.
	connEnded()
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
		mu:        mu,
		config:    cfg.withDefaults(),
		bidi:      waiting.NewQueue[*stream](),
		uni:       waiting.NewQueue[*recvStream](),
		datagrams: waiting.NewQueue[[]byte](),
		halves:    make(map[half]struct{}),
		state: transport.State{
			Protocol:   protocol,
			Transport:  Name,
			Local:      local,
			Remote:     remote,
			URL:        &copied,
			CarriesURL: true,
		},
	}
	c.ctx, c.cancel = context.WithCancelCause(context.Background())
	return c
}

// meet sets the peer and takes over the limits that it grants.
func (c *Conn) meet(peer *Conn) {
	c.peer = peer
	c.credit = peer.config.ConnWindow
	c.openBidi.free = max(0, peer.config.MaxStreams)
	c.openUni.free = max(0, peer.config.MaxUniStreams)
	rtt := c.config.OneWayDelay + peer.config.OneWayDelay
	c.stats.MinRTT, c.stats.RTT = rtt, rtt
}

// OpenStream opens a bidirectional stream. The peer learns of it when
// something is sent on it.
func (c *Conn) OpenStream(ctx context.Context) (transport.Stream, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := c.acquire(ctx, &c.openBidi); err != nil {
		return nil, err
	}
	return newBidi(c), nil
}

// OpenUniStream opens a unidirectional stream. The peer learns of it when
// something is sent on it.
func (c *Conn) OpenUniStream(ctx context.Context) (transport.SendStream, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := c.acquire(ctx, &c.openUni); err != nil {
		return nil, err
	}
	return newUni(c), nil
}

// acquire waits until another stream may be opened.
func (c *Conn) acquire(ctx context.Context, m *limiter) error {
	if c.err != nil {
		return c.err
	}
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	err := m.acquire(ctx, c)
	if c.err != nil {
		return c.err
	}
	return err
}

// AcceptStream waits for the next bidirectional stream of the peer.
func (c *Conn) AcceptStream(ctx context.Context) (transport.Stream, error) {
	s, err := c.bidi.Pop(ctx)
	if err != nil {
		return nil, c.popError(err)
	}
	return s, nil
}

// AcceptUniStream waits for the next unidirectional stream of the peer.
func (c *Conn) AcceptUniStream(ctx context.Context) (transport.ReceiveStream, error) {
	r, err := c.uni.Pop(ctx)
	if err != nil {
		return nil, c.popError(err)
	}
	return r, nil
}

// popError translates the error of a Pop. The queues are closed only when the
// connection ends.
func (c *Conn) popError(err error) error {
	if cause := context.Cause(c.ctx); cause != nil {
		return cause
	}
	return err
}

// CloseWithError ends the connection: this end at once, the peer's end after
// the delay.
func (c *Conn) CloseWithError(code uint64, reason string) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.err != nil {
		return nil
	}
	c.end(&transport.ConnError{Code: code, Reason: reason})
	c.send(frame{kind: frameClose, end: &transport.ConnError{Code: code, Reason: reason, Remote: true}})
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

// end ends this end of the connection.
func (c *Conn) end(err *transport.ConnError) {
	if c.err != nil {
		return
	}
	c.err = err
	c.cancel(err)
	c.bidi.Close()
	c.uni.Close()
	c.datagrams.Close()
	for h := range c.halves {
		h.connEnded()
	}
	c.halves, c.waiting = nil, nil
	c.peer.path.stop()
}

// State describes the connection.
func (c *Conn) State() transport.State { return c.state }

// Context ends with the connection.
func (c *Conn) Context() context.Context { return c.ctx }

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
