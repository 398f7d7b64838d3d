package quicconn

import (
	"context"
	"crypto/tls"
	"fmt"
	"log/slog"
	"net"
	"sync"

	"github.com/quic-go/quic-go"

	"github.com/moqlite/moqlite/transport"
)

// An Endpoint is the UDP socket of a client, with all connections that were
// dialled over it. The zero value is ready to use: the socket is opened by the
// first Dial, for both address families where there are both. Fields must not
// change after that.
//
// A dial with [transport.DialOptions].OwnSocket has another socket to itself,
// unless Socket is set; that is closed with the connection.
type Endpoint struct {
	// Socket, if set, is used instead of a UDP socket of the Endpoint's own.
	// Close closes it. Nobody looks after its connections: they do not follow
	// the machine to another address, nor notice that their path shrinks.
	Socket net.PacketConn

	// Logger is told if the system allows sockets too little memory; nil is
	// not.
	Logger *slog.Logger

	mu     sync.Mutex
	shared *local
	own    map[*local]struct{} // of dials with a socket of their own
	closed bool
}

// A local is a socket with the connections over it.
type local struct {
	quic  *quic.Transport
	conn  net.PacketConn
	own   bool // for one connection
	watch watch
}

func newLocal(c net.PacketConn, own bool) *local {
	l := &local{quic: &quic.Transport{Conn: c}, conn: c, own: own}
	l.watch.look = l.look
	return l
}

func (l *local) close() error {
	err := closeTransport(l.quic, l.conn)
	l.watch.close()
	return err
}

// Dial connects to addr, host:port, and negotiates one of protocols as ALPN. It
// returns when the handshake is complete. A host of several addresses is tried
// at one after the other, without waiting long for any; the first to answer
// wins. Neither configuration is changed; of tlsConf, the protocols are
// replaced, and of conf, datagrams and the peer's streams are switched on. nil
// stands for the system's roots, and for [DefaultConfig].
//
// Errors are of type [*transport.DialError], without a Transport. When ctx
// ends, nothing of the attempt is left behind.
func (e *Endpoint) Dial(ctx context.Context, addr string, protocols []string, tlsConf *tls.Config, conf *quic.Config) (*quic.Conn, error) {
	return e.dialQUIC(ctx, addr, request{protocols: protocols, tls: tlsConf, conf: conf})
}

// DialOwn is Dial over a socket that nothing else uses and that is closed with
// the connection, unless Socket is set, which is then shared as by Dial.
func (e *Endpoint) DialOwn(ctx context.Context, addr string, protocols []string, tlsConf *tls.Config, conf *quic.Config) (*quic.Conn, error) {
	return e.dialQUIC(ctx, addr, request{protocols: protocols, tls: tlsConf, conf: conf, ownSocket: true})
}

func (e *Endpoint) dialQUIC(ctx context.Context, addr string, r request) (*quic.Conn, error) {
	c, err := e.dial(ctx, addr, r)
	if err != nil {
		return nil, err
	}
	return c.Conn, nil
}

// A request is what a dial asks for.
type request struct {
	protocols []string
	tls       *tls.Config
	conf      *quic.Config
	early     bool // it need not wait for the handshake if early data may go
	ownSocket bool
}

// dial is Dial, which need not wait for the handshake if r says so and the server
// is known.
func (e *Endpoint) dial(ctx context.Context, addr string, r request) (*dialled, error) {
	if ctx.Err() != nil {
		return nil, dialError(transport.PhaseConnect, context.Cause(ctx))
	}
	host, port, err := splitAddr(addr)
	if err != nil {
		return nil, dialError(transport.PhaseResolve, err)
	}
	l, err := e.open(r.ownSocket)
	if err != nil {
		return nil, dialError(transport.PhaseConnect, err)
	}
	c, err := l.dial(ctx, host, port, &dial{
		transport: l.quic,
		tls:       configureTLS(r.tls, host, r.protocols),
		conf:      configure(r.conf),
		probes:    e.Socket == nil,
		early:     r.early && allows0RTT(r.tls, r.conf),
	})
	if c != nil && e.Socket == nil {
		from, _ := source(c.RemoteAddr())
		l.watch.follow(&watched{Conn: c.Conn, from: from})
	}
	if l.own {
		e.closeWith(l, c)
	}
	return c, err
}

func (l *local) dial(ctx context.Context, host string, port uint16, d *dial) (*dialled, error) {
	addrs, err := resolve(ctx, host, port)
	if err != nil {
		return nil, dialError(transport.PhaseResolve, err)
	}
	return tryAddrs(ctx, addrs, d.attempt)
}

// open opens a socket: a new one, or the shared one unless that is open.
func (e *Endpoint) open(own bool) (*local, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	switch own = own && e.Socket == nil; {
	case e.closed:
		return nil, fmt.Errorf("the endpoint is closed: %w", net.ErrClosed)
	case e.shared != nil && !own:
		return e.shared, nil
	case e.Socket != nil:
		e.shared = newLocal(e.Socket, false)
		return e.shared, nil
	}
	s, err := listenUDP(nil)
	if err != nil {
		return nil, err
	}
	l := newLocal(s, own)
	switch {
	case !own:
		s.warn(e.Logger)
		e.shared = l
	case e.own == nil:
		e.own = map[*local]struct{}{l: {}}
	default:
		e.own[l] = struct{}{}
	}
	return l, nil
}

// closeWith closes a socket when its one connection has ended; nil has.
func (e *Endpoint) closeWith(l *local, c *dialled) {
	end := func() {
		e.mu.Lock()
		_, open := e.own[l]
		delete(e.own, l)
		e.mu.Unlock()
		if open {
			_ = l.close()
		}
	}
	if c == nil {
		end()
		return
	}
	context.AfterFunc(c.Context(), end)
}

// Close closes the sockets. Dials fail, and connections that are still open are
// lost without a word to the peer. Close twice does nothing.
func (e *Endpoint) Close() error {
	e.mu.Lock()
	if e.closed {
		e.mu.Unlock()
		return nil
	}
	e.closed = true
	own, shared := e.own, e.shared
	e.own = nil
	e.mu.Unlock()
	for l := range own {
		_ = l.close()
	}
	switch {
	case shared != nil:
		return shared.close()
	case e.Socket != nil:
		return e.Socket.Close()
	default:
		return nil
	}
}

// closeTransport ends a quic.Transport and its socket.
func closeTransport(t *quic.Transport, c net.PacketConn) error {
	err := t.Close()
	if closeErr := c.Close(); err == nil {
		err = closeErr
	}
	return err
}
