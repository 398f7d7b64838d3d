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
	"github.com/moqlite/moqlite/transport/quicconn/internal/udp"
)

// protocolH3 is the ALPN of HTTP/3.
const protocolH3 = "h3"

// ListenOptions are the settings of a [Listener].
type ListenOptions struct {
	// Protocols are the moq-lite versions to accept, in the server's order of
	// preference, which decides. Required, unless H3 is set.
	Protocols []string

	// H3 serves connections whose ALPN is h3. It is called in a goroutine per
	// connection, which the listener does not wait for, and owns the
	// connection. Nil: h3 is not offered.
	H3 func(*quic.Conn) error

	// Backlog is how many connections may wait for Accept; when it is reached,
	// new ones are closed. Zero: 128.
	Backlog int

	// MaxHandshakes is how many handshakes may run at once; when it is
	// reached, new connections are refused. When half of it is reached,
	// clients must prove their address first. Zero: 512.
	MaxHandshakes int

	// HandshakeTimeout is how long a handshake may take. Zero: 10 seconds.
	HandshakeTimeout time.Duration

	// Socket, if set, is used instead of a UDP socket at the address. The
	// listener closes it. Its connections do not survive a path that shrinks.
	Socket net.PacketConn

	// Refused, if not nil, is told of each client that offers no protocol in common, and
	// of each connection that is closed since too many wait for Accept. It may be called
	// concurrently, and must not block.
	Refused func(remote net.Addr, why error)

	// StatelessResetKey is what the tokens of stateless resets are made of (RFC
	// 9000, section 10.3). A listener with the key of one that has crashed ends
	// the connections of that one as soon as their clients send something. Nil:
	// no resets are sent.
	StatelessResetKey *quic.StatelessResetKey

	// Logger gets a warning if the system allows the socket too little buffer
	// memory, and debug messages about failures of H3. Nil: nothing is logged.
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

// A Listener accepts connections on one UDP port. All methods may be called
// concurrently.
type Listener struct {
	options ListenOptions
	socket  net.PacketConn
	quic    *quic.Transport
	early   *quic.EarlyListener

	allowsEarly bool // clients may send early data (0-RTT)

	accepted chan *conn
	closing  chan struct{} // closed by Close
	done     chan struct{} // closed when acceptConns has ended
	err      error         // why acceptConns has ended; valid once done is closed
	once     sync.Once

	mu          sync.Mutex
	closed      bool
	handshaking sync.WaitGroup

	handshakes atomic.Int64

	// users counts the listener itself and each of its connections. The socket
	// is closed when it becomes 0.
	users       atomic.Int64
	releaseOnce sync.Once

	watch connWatch
}

var _ transport.Listener = (*Listener)(nil)

// Listen listens at addr, which is host:port; an empty host means all
// addresses. tlsConf has the certificate and is required. Listen uses copies
// of tlsConf, with its own protocols, and of conf, with the features that the
// protocols need. A nil conf, and zero fields of it, mean the values of
// [DefaultConfig]; a negative KeepAlivePeriod means no keep-alives.
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
		at, err := net.ResolveUDPAddr("udp", addr)
		if err != nil {
			return nil, fmt.Errorf("listen: %w", err)
		}
		s, err := udp.Listen(at)
		if err != nil {
			return nil, err
		}
		warnOfBuffers(s, o.Logger)
		l.socket = s
	}
	l.watch.check = l.checkConns
	l.quic = &quic.Transport{
		Conn: l.socket, ConnContext: l.connContext, VerifySourceAddress: l.verifySourceAddress, StatelessResetKey: o.StatelessResetKey,
	}
	conf = configureServer(conf)
	l.allowsEarly = conf.Allow0RTT
	var err error
	if l.early, err = l.quic.ListenEarly(serverTLS(tlsConf, protocols), conf); err != nil {
		_ = closeTransport(l.quic, l.socket)
		return nil, fmt.Errorf("listen: %w", err)
	}
	l.users.Store(1)
	go l.acceptConns()
	return l, nil
}

// Addr implements [transport.Listener].
func (l *Listener) Addr() net.Addr { return l.socket.LocalAddr() }

// Accept implements [transport.Listener]. It also fails when the socket has
// failed.
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

// Close implements [transport.Listener]. The socket stays open, but accepts
// nothing new, until the last accepted connection has ended.
func (l *Listener) Close() (err error) {
	l.once.Do(func() {
		l.mu.Lock()
		l.closed = true
		l.mu.Unlock()
		close(l.closing)
		l.handshaking.Wait()
		for len(l.accepted) > 0 {
			_ = (<-l.accepted).CloseWithError(0, "")
		}
		err = l.releaseSocket()
	})
	return err
}

// releaseSocket removes one user of the socket. After the last, it closes the
// socket, once acceptConns has refused the connections that were about to be
// accepted.
func (l *Listener) releaseSocket() (err error) {
	if l.users.Add(-1) > 0 {
		return nil
	}
	l.releaseOnce.Do(func() {
		_ = l.early.Close()
		<-l.done
		err = closeTransport(l.quic, l.socket)
		l.watch.closeWatch()
	})
	if errors.Is(err, net.ErrClosed) { // the owner of ListenOptions.Socket has closed it
		return nil
	}
	return err
}
