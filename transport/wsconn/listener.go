package wsconn

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"sync"
	"time"

	"github.com/moqlite/moqlite/transport"
	"github.com/moqlite/moqlite/transport/internal/qmux"
)

// backlog is how many connections are being set up or wait for Accept at once.
// Others wait in the system's queue.
const backlog = 1024

// ListenOptions are the settings of a [Listener].
type ListenOptions struct {
	// Protocols are the moq-lite versions to accept, in the server's order of
	// preference, which decides. Required.
	Protocols []string

	// TLSConfig has the certificate. Listen uses a copy with its own
	// protocols. Nil: TCP without TLS.
	TLSConfig *tls.Config

	// Plain accepts clients without TLS even if TLSConfig is set.
	Plain bool

	// HTTP handles the requests of clients that speak HTTP/1.1 on the same
	// port; usually it is a [Server]. Nil: such clients are refused.
	HTTP http.Handler

	// HTTP2 offers HTTP/2 over TLS too.
	HTTP2 bool

	// Refused, if not nil, is told of each client that offers no version in common. It
	// may be called concurrently.
	Refused func(remote net.Addr, why error)

	// Logger gets what the HTTP server reports, as panics of HTTP. Nil: nothing
	// is logged.
	Logger *slog.Logger

	// Socket, if set, is used instead of a listener at the address. Close
	// closes it.
	Socket net.Listener

	// TrustedProxies are the networks of proxies that may name the client's
	// address in the PROXY protocol. Nil: none.
	TrustedProxies []netip.Prefix

	// Config has the flow control windows and stream limits granted to
	// clients. Nil: the defaults.
	Config *Config
}

// A Listener accepts connections over TCP or TLS, or over both on one port.
// All methods may be called concurrently.
//
// One goroutine accepts, and each connection is set up in another: which
// protocol a client speaks shows only in its first bytes, and a client that
// sends none must not hold up others. Setting up is bounded by a timeout, and
// the number of such connections by places.
type Listener struct {
	tcp     net.Listener
	options ListenOptions
	http    *httpListener // nil without ListenOptions.HTTP
	conns   chan transport.Conn
	places  chan struct{} // one token per connection that is set up or waits for Accept
	ctx     context.Context
	cancel  context.CancelCauseFunc // its cause is why the listener has ended
	wg      sync.WaitGroup
}

var _ transport.Listener = (*Listener)(nil)

// Listen listens at address for clients that dial tcp:// or tls:// URLs.
func Listen(address string, o ListenOptions) (*Listener, error) {
	if len(o.Protocols) == 0 {
		return nil, errors.New("listen: no protocols")
	}
	tcp := o.Socket
	if tcp == nil {
		var err error
		if tcp, err = net.Listen("tcp", address); err != nil {
			return nil, err
		}
	}
	if o.TLSConfig != nil {
		o.TLSConfig = serverTLS(o.TLSConfig, o.tlsProtocols())
	}
	l := &Listener{
		tcp:     tcp,
		options: o,
		conns:   make(chan transport.Conn, backlog),
		places:  make(chan struct{}, backlog),
	}
	l.ctx, l.cancel = context.WithCancelCause(context.Background())
	if o.HTTP != nil {
		l.http = newHTTPListener(tcp.Addr(), o.HTTP, o.Logger)
		l.wg.Go(l.http.serveHTTP)
	}
	l.wg.Go(l.acceptConns)
	return l, nil
}

// retryDelay is how long acceptConns waits after a temporary error of the socket.
const retryDelay = 50 * time.Millisecond

// isTemporary tells whether an error of the socket's Accept is temporary, such as a
// lack of file descriptors.
func isTemporary(err error) bool {
	e, ok := errors.AsType[interface {
		error
		Temporary() bool
	}](err)
	return ok && e.Temporary()
}

// acceptConns accepts connections and sets up each in a goroutine of its own, until
// the socket fails or is closed.
func (l *Listener) acceptConns() {
	for {
		select {
		case l.places <- struct{}{}:
		case <-l.ctx.Done():
			return
		}
		raw, err := l.tcp.Accept()
		if err == nil {
			l.wg.Go(func() { l.setUpConn(raw) })
			continue
		}
		<-l.places
		// Out of file descriptors, say: closed connections will free some.
		if !isTemporary(err) {
			l.cancel(err)
			return
		}
		select {
		case <-l.ctx.Done():
			return
		case <-time.After(retryDelay):
		}
	}
}

// setUpConn sets up a connection and queues it for Accept.
func (l *Listener) setUpConn(raw net.Conn) {
	ctx, cancel := context.WithTimeout(l.ctx, setupTimeout)
	defer cancel()
	c, err := l.negotiate(ctx, raw)
	if errors.Is(err, transport.ErrNoCommonProtocol) && l.options.Refused != nil {
		l.options.Refused(raw.RemoteAddr(), err)
	}
	if err != nil || c == nil {
		<-l.places
		return
	}
	l.conns <- c // does not block: the connection has a place
}

// errPlain is why a connection is closed that comes without TLS, to a listener
// that requires it.
var errPlain = errors.New("the client does not speak TLS")

// negotiate makes a connection of raw. It returns nil without an error if the
// client speaks HTTP.
func (l *Listener) negotiate(ctx context.Context, raw net.Conn) (transport.Conn, error) {
	tune(raw)
	first, err := peek(ctx, raw, l.options.TrustedProxies)
	if err == nil {
		switch {
		case first.tls() && l.options.TLSConfig != nil:
			return l.acceptTLS(ctx, first)
		case l.options.TLSConfig != nil && !l.options.Plain, first.tls():
			err = errPlain
		case l.http != nil && first.http():
			return nil, l.http.handOver(first)
		default:
			return l.acceptQmux(ctx, newTCPCarrier(first, first), qmux.Options{
				Version:   qmux.Version01,
				Protocols: l.options.Protocols,
				State:     transport.State{Transport: tcpName, Local: raw.LocalAddr(), Remote: first.RemoteAddr()},
			})
		}
	}
	_ = raw.Close()
	return nil, err
}

// acceptTLS makes a connection over TLS.
func (l *Listener) acceptTLS(ctx context.Context, raw *peekedConn) (transport.Conn, error) {
	conn := tls.Server(raw, l.options.TLSConfig)
	if err := conn.HandshakeContext(ctx); err != nil {
		_ = raw.Close()
		if !raw.mayAgree(l.options.tlsProtocols()) {
			err = fmt.Errorf("%w: %w", transport.ErrNoCommonProtocol, err)
		}
		return nil, err
	}
	state := conn.ConnectionState()
	version, protocol, ok := qmux.ParseSubprotocol(state.NegotiatedProtocol)
	switch {
	case ok:
		return l.acceptQmux(ctx, newTCPCarrier(conn, raw), qmux.Options{
			Version: version,
			State: transport.State{
				Protocol: protocol, Transport: tlsName, Local: raw.LocalAddr(), Remote: raw.RemoteAddr(), TLS: &state,
			},
		})
	case l.http != nil:
		return nil, l.http.handOver(conn)
	}
	_ = conn.Close()
	return nil, transport.ErrNoCommonProtocol
}

// acceptQmux starts Qmux and waits for the client's transport parameters.
func (l *Listener) acceptQmux(ctx context.Context, carrier qmux.Carrier, o qmux.Options) (transport.Conn, error) {
	o.Config = l.options.Config
	c := qmux.New(carrier, o)
	if err := c.Ready(ctx); err != nil {
		return nil, err
	}
	return c.Transport(), nil
}

// Accept implements [transport.Listener]. It also fails when the socket has
// failed.
func (l *Listener) Accept(ctx context.Context) (transport.Conn, error) {
	if l.ctx.Err() != nil {
		return nil, l.acceptError()
	}
	select {
	case c := <-l.conns:
		<-l.places
		return c, nil
	case <-l.ctx.Done():
		return nil, l.acceptError()
	case <-ctx.Done():
		return nil, fmt.Errorf("accept: %w", context.Cause(ctx))
	}
}

// acceptError is the error of Accept after the end.
func (l *Listener) acceptError() error {
	return fmt.Errorf("accept at %v: %w", l.Addr(), context.Cause(l.ctx))
}

// Addr implements [transport.Listener].
func (l *Listener) Addr() net.Addr { return l.tcp.Addr() }

// Shutdown takes no more HTTP requests and waits, until ctx ends, for those that are
// being answered. Connections that have become WebSocket's are not among them. The
// listener goes on to accept the others until Close.
func (l *Listener) Shutdown(ctx context.Context) error {
	if l.http == nil {
		return nil
	}
	return l.http.server.Shutdown(ctx)
}

// Close implements [transport.Listener]. WebSocket connections that HTTP has
// accepted stay open, too.
func (l *Listener) Close() error {
	l.cancel(net.ErrClosed)
	err := l.tcp.Close()
	if l.http != nil {
		l.http.shutDown()
	}
	l.wg.Wait()
	var closing sync.WaitGroup
	for {
		select {
		case c := <-l.conns:
			closing.Go(func() { _ = c.CloseWithError(0, "") })
			continue
		default:
		}
		closing.Wait()
		if errors.Is(err, net.ErrClosed) {
			return nil
		}
		return err
	}
}
