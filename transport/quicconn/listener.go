package quicconn

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/quic-go/quic-go"

	"github.com/moqlite/moqlite/transport"
)

// protocolH3 is the ALPN of HTTP/3.
const protocolH3 = "h3"

// ListenOptions say what is listened for.
type ListenOptions struct {
	// Protocols are the moq-lite versions to speak, the most wanted first: it
	// is this order that decides. Required, unless H3 is set.
	Protocols []string

	// H3 serves connections whose ALPN is h3, each in a goroutine of its own
	// that the listener does not wait for: such a connection is H3's to close.
	// Nil: h3 is not offered.
	H3 func(*quic.Conn) error

	// Backlog is how many connections may wait for Accept. More are closed.
	// Zero: 128.
	Backlog int

	// MaxHandshakes is how many connections may be in their handshake at once.
	// More are refused; from half as many on, clients must prove their address
	// first. Zero: 512.
	MaxHandshakes int

	// HandshakeTimeout is how long a handshake may take. Zero: 10 seconds.
	HandshakeTimeout time.Duration

	// Socket, if set, is listened on instead of a UDP socket at the address.
	// The listener closes it. Its connections do not survive that their path
	// shrinks.
	Socket net.PacketConn

	// Logger is told if the system allows the socket too little memory; nil is
	// not.
	Logger *slog.Logger
}

func (o ListenOptions) withDefaults() ListenOptions {
	if o.Backlog <= 0 {
		o.Backlog = 128
	}
	if o.MaxHandshakes <= 0 {
		o.MaxHandshakes = 512
	}
	if o.HandshakeTimeout <= 0 {
		o.HandshakeTimeout = 10 * time.Second
	}
	o.Protocols = slices.Clone(o.Protocols)
	return o
}

// A Listener accepts connections on one UDP port.
type Listener struct {
	options ListenOptions
	socket  net.PacketConn
	quic    *quic.Transport
	early   *quic.EarlyListener

	allowsEarly bool // data before the handshake is complete

	accepted chan *conn
	closing  chan struct{} // closed by Close
	done     chan struct{} // closed when run has ended
	err      error         // why it has, once done is closed
	once     sync.Once

	mu     sync.Mutex
	closed bool
	greets sync.WaitGroup

	handshakes atomic.Int64

	// The socket is closed when the last user of it is gone: the listener
	// itself, and each connection.
	users atomic.Int64
	over  sync.Once

	watch watch
}

var _ transport.Listener = (*Listener)(nil)

// Listen listens at addr, host:port; without a host, at all addresses. tlsConf
// has the certificate; it is cloned, and the protocols are set. conf is cloned,
// and what the protocols need is switched on; nil, and its zeros, are those of
// [DefaultConfig], and a negative KeepAlivePeriod is none.
func Listen(addr string, tlsConf *tls.Config, conf *quic.Config, o ListenOptions) (*Listener, error) {
	o = o.withDefaults()
	protocols := slices.Clone(o.Protocols)
	if o.H3 != nil {
		protocols = append(protocols, protocolH3)
	}
	switch {
	case tlsConf == nil:
		return nil, errors.New("listen: no TLS configuration")
	case len(protocols) == 0:
		return nil, errors.New("listen: no protocols")
	}
	l := &Listener{options: o, accepted: make(chan *conn, o.Backlog), closing: make(chan struct{}), done: make(chan struct{}), socket: o.Socket}
	if l.socket == nil {
		udp, err := net.ResolveUDPAddr("udp", addr)
		if err != nil {
			return nil, fmt.Errorf("listen: %w", err)
		}
		s, err := listenUDP(udp)
		if err != nil {
			return nil, err
		}
		s.warn(o.Logger)
		l.socket = s
	}
	l.watch.look = l.look
	l.quic = &quic.Transport{Conn: l.socket, ConnContext: l.count, VerifySourceAddress: l.verify}
	conf = configureServer(conf)
	l.allowsEarly = conf.Allow0RTT
	var err error
	if l.early, err = l.quic.ListenEarly(serverTLS(tlsConf, protocols), conf); err != nil {
		_ = closeTransport(l.quic, l.socket)
		return nil, fmt.Errorf("listen: %w", err)
	}
	l.users.Store(1)
	go l.run()
	return l, nil
}

// Addr implements [transport.Listener].
func (l *Listener) Addr() net.Addr { return l.socket.LocalAddr() }

// Accept implements [transport.Listener]. It fails when the socket has.
func (l *Listener) Accept(ctx context.Context) (transport.Conn, error) {
	if l.isClosing() {
		return nil, l.errClosed()
	}
	select {
	case <-l.closing:
		return nil, l.errClosed()
	case <-ctx.Done():
		return nil, fmt.Errorf("accept: %w", context.Cause(ctx))
	case c := <-l.accepted:
		return c, nil
	case <-l.done:
		if l.isClosing() {
			return nil, l.errClosed()
		}
		return nil, fmt.Errorf("accept at %v: %w", l.Addr(), l.err)
	}
}

func (l *Listener) errClosed() error {
	return fmt.Errorf("accept at %v: %w", l.Addr(), net.ErrClosed)
}

func (l *Listener) isClosing() bool {
	select {
	case <-l.closing:
		return true
	default:
		return false
	}
}

// Close implements [transport.Listener]. While accepted connections live on, the
// socket stays open, and refuses others; the end of the last one closes it.
func (l *Listener) Close() (err error) {
	l.once.Do(func() {
		l.mu.Lock()
		l.closed = true
		l.mu.Unlock()
		close(l.closing)
		l.greets.Wait()
		for len(l.accepted) > 0 {
			_ = (<-l.accepted).CloseWithError(0, "")
		}
		err = l.release()
	})
	return err
}

// release gives up one use of the socket. The last one closes it, when run has
// told those that were on their way in.
func (l *Listener) release() (err error) {
	if l.users.Add(-1) > 0 {
		return nil
	}
	l.over.Do(func() {
		_ = l.early.Close()
		<-l.done
		err = closeTransport(l.quic, l.socket)
		l.watch.close()
	})
	if errors.Is(err, net.ErrClosed) { // by who has given it
		return nil
	}
	return err
}
