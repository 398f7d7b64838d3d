package quicconn

import (
	"context"
	"crypto/tls"
	"fmt"
	"log/slog"
	"net"
	"sync"
	"sync/atomic"

	"github.com/quic-go/quic-go"

	"github.com/moqlite/moqlite/transport"
	"github.com/moqlite/moqlite/transport/quicconn/internal/udp"
)

// An Endpoint is the UDP socket of a client and the connections dialled over
// it. The zero value is ready to use: the first Dial opens the socket, for
// IPv4 and IPv6 where the system has both. The fields must not change after
// that. All methods may be called concurrently.
//
// A dial with [transport.DialOptions].OwnSocket gets a socket of its own,
// unless Socket is set. That socket is closed when its connection ends.
type Endpoint struct {
	// Socket, if set, is used instead of a UDP socket of the Endpoint's own.
	// Close closes it. Its connections are not watched: they do not follow a
	// change of the machine's address, and do not notice when their path
	// shrinks.
	Socket net.PacketConn

	// Logger gets a warning if the system allows sockets too little buffer
	// memory. Nil: no warning.
	Logger *slog.Logger

	warned atomic.Bool

	mu     sync.Mutex
	shared *clientSocket
	own    map[*clientSocket]struct{} // those of dials with OwnSocket
	closed bool
}

// A clientSocket is a socket and the connections over it.
type clientSocket struct {
	quic  *quic.Transport
	conn  net.PacketConn
	own   bool // for a single connection
	watch connWatch
}

func newClientSocket(c net.PacketConn, own bool) *clientSocket {
	l := &clientSocket{quic: &quic.Transport{Conn: c}, conn: c, own: own}
	l.watch.check = l.checkConns
	return l
}

func (l *clientSocket) closeSocket() error {
	err := closeTransport(l.quic, l.conn)
	l.watch.closeWatch()
	return err
}

// Dial connects to addr, which is host:port, and negotiates one of protocols
// as ALPN. It blocks until the handshake is complete or ctx ends. If the host
// has several addresses, Dial tries them in short succession, and the first
// connection wins. tlsConf and conf are not changed: Dial uses copies, with
// its own protocols in tlsConf, and with datagrams and the peer's streams
// enabled in conf. Nil means the certificate roots of the system, and
// [DefaultConfig].
//
// Errors are of type [*transport.DialError] with an empty Transport. When ctx
// ends, Dial releases everything that the attempt has made.
func (e *Endpoint) Dial(ctx context.Context, addr string, protocols []string, tlsConf *tls.Config, conf *quic.Config) (*quic.Conn, error) {
	return e.dialQUIC(ctx, addr, request{protocols: protocols, tls: tlsConf, conf: conf})
}

// DialOwn is like Dial, but over a socket that no other connection uses and
// that is closed when the connection ends. If Socket is set, it is the same as
// Dial.
func (e *Endpoint) DialOwn(ctx context.Context, addr string, protocols []string, tlsConf *tls.Config, conf *quic.Config) (*quic.Conn, error) {
	return e.dialQUIC(ctx, addr, request{protocols: protocols, tls: tlsConf, conf: conf, ownSocket: true})
}

func (e *Endpoint) dialQUIC(ctx context.Context, addr string, r request) (*quic.Conn, error) {
	c, err := e.dialRaced(ctx, addr, r)
	if err != nil {
		return nil, err
	}
	return c.Conn, nil
}

// A request holds the parameters of a dial.
type request struct {
	protocols []string
	tls       *tls.Config
	conf      *quic.Config
	early     bool // return before the handshake is complete if early data may be sent
	ownSocket bool
}

// dialRaced is Dial, but returns before the handshake is complete if r.early is set
// and the TLS session of an earlier connection allows early data.
func (e *Endpoint) dialRaced(ctx context.Context, addr string, r request) (*dialled, error) {
	if ctx.Err() != nil {
		return nil, dialError(transport.PhaseConnect, context.Cause(ctx))
	}
	host, port, err := splitAddr(addr)
	if err != nil {
		return nil, dialError(transport.PhaseResolve, err)
	}
	l, err := e.openSocket(r.ownSocket)
	if err != nil {
		return nil, dialError(transport.PhaseConnect, err)
	}
	e.warn(l)
	c, err := l.dialHost(ctx, host, port, &dial{
		transport: l.quic,
		tls:       configureTLS(r.tls, host, r.protocols),
		conf:      configure(r.conf),
		probes:    e.Socket == nil,
		early:     r.early && allows0RTT(r.tls, r.conf),
	})
	if c != nil && e.Socket == nil {
		from, _ := udp.SourceAddr(c.RemoteAddr())
		l.watch.addConn(&watchedConn{Conn: c.Conn, from: from})
	}
	if l.own {
		e.closeWith(l, c)
	}
	return c, err
}

func (l *clientSocket) dialHost(ctx context.Context, host string, port uint16, d *dial) (*dialled, error) {
	addrs, err := resolve(ctx, host, port)
	if err != nil {
		return nil, dialError(transport.PhaseResolve, err)
	}
	return tryAddrs(ctx, addrs, d.attempt)
}

// openSocket returns the shared socket, which it opens if needed, or opens one
// for a single connection.
func (e *Endpoint) openSocket(own bool) (*clientSocket, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	switch own = own && e.Socket == nil; {
	case e.closed:
		return nil, fmt.Errorf("the endpoint is closed: %w", net.ErrClosed)
	case e.shared != nil && !own:
		return e.shared, nil
	case e.Socket != nil:
		e.shared = newClientSocket(e.Socket, false)
		return e.shared, nil
	}
	s, err := udp.Listen(nil)
	if err != nil {
		return nil, err
	}
	l := newClientSocket(s, own)
	switch {
	case !own:
		e.shared = l
	case e.own == nil:
		e.own = map[*clientSocket]struct{}{l: {}}
	default:
		e.own[l] = struct{}{}
	}
	return l, nil
}

// warn logs once if the buffers of the sockets are too small.
func (e *Endpoint) warn(l *clientSocket) {
	if s, ok := l.conn.(*udp.Socket); ok && !e.warned.Swap(true) {
		warnOfBuffers(s, e.Logger)
	}
}

// closeWith closes the socket of a single connection when that has ended, or
// at once if c is nil because the dial failed.
func (e *Endpoint) closeWith(l *clientSocket, c *dialled) {
	end := func() {
		e.mu.Lock()
		_, open := e.own[l]
		delete(e.own, l)
		e.mu.Unlock()
		if open {
			_ = l.closeSocket()
		}
	}
	if c == nil {
		end()
		return
	}
	context.AfterFunc(c.Context(), end)
}

// Close closes the sockets. Later dials fail. Connections that are still open
// are lost, and their peers are not told. A second Close does nothing.
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
		_ = l.closeSocket()
	}
	switch {
	case shared != nil:
		return shared.closeSocket()
	case e.Socket != nil:
		return e.Socket.Close()
	default:
		return nil
	}
}

// closeTransport closes a quic.Transport and its socket.
func closeTransport(t *quic.Transport, c net.PacketConn) error {
	err := t.Close()
	if closeErr := c.Close(); err == nil {
		err = closeErr
	}
	return err
}
