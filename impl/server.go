package impl

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"sync"

	"github.com/quic-go/quic-go"

	"github.com/moqlite/moqlite/api"
	"github.com/moqlite/moqlite/impl/devcert"
	"github.com/moqlite/moqlite/impl/internal/receive"
	"github.com/moqlite/moqlite/impl/internal/session"
	"github.com/moqlite/moqlite/transport"
	"github.com/moqlite/moqlite/transport/quicconn"
	"github.com/moqlite/moqlite/transport/wsconn"
	"github.com/moqlite/moqlite/transport/wtconn"
)

// A Server accepts sessions: over WebTransport and native QUIC on one UDP port
// and, for clients whose network blocks UDP, over WebSocket, TLS and plain TCP
// on the TCP port with the same number. It also answers GET
// /certificate.sha256 with the fingerprint of its certificate, which clients
// of development servers pin, and leaves other HTTP requests to HTTP. Without a
// port of its own it serves the requests of another HTTP server (ServeHTTP) and
// connections from elsewhere (ServeConn). The exported fields must not change
// once the server listens or serves. All methods may be called concurrently.
type Server struct {
	// Addr is host:port. An empty host means all addresses; port 0, or an
	// empty Addr, means any free port.
	Addr string

	// Socket, if set, is used instead of a UDP socket at Addr. The server
	// closes it.
	Socket net.PacketConn

	// TCP, if set, is used instead of a TCP listener at Addr. It requires
	// Socket. The server closes it. With Socket and without TCP the server
	// accepts no TCP connections.
	TCP net.Listener

	// TLSConfig has the certificate. Nil: the server makes a development
	// certificate for localhost, and renews it ([devcert.Rotation]).
	TLSConfig *tls.Config

	// QUICConfig is the configuration of QUIC connections. Nil, and zero
	// fields, mean the values of [quicconn.DefaultConfig], which are tuned for
	// live media. With Allow0RTT, native QUIC accepts early data (see the
	// package's documentation).
	QUICConfig *quic.Config

	// StatelessResetKey lets a server end the QUIC connections of the last one
	// at its address that had the same key, once their clients send something:
	// after a crash they are back in a second. Nil: it is derived from the
	// private key of the certificate, where that can be exported, so that a
	// server that is started again has the same; otherwise it is random, and
	// clients wait for a time-out. Servers behind one address that share a
	// certificate must have a key each: who can have a packet of a client
	// delivered to another of them could end that client's connection (RFC
	// 9000, section 21.11).
	StatelessResetKey *quic.StatelessResetKey

	// Config has the settings of sessions. Nil: the defaults.
	Config *api.Config

	// Limits bound what all sessions hold together; Config.Limits bound each.
	// Two may be set, UnreadBytes and SessionsPerAddress, for which see
	// [api.Limits]. Above UnreadBytes, each session that holds more than an
	// equal share drops groups until it does not, or all are within the limit;
	// it chooses them as where its own limit is exceeded. The share is
	// UnreadBytes divided by the number of sessions that hold something, so a
	// session that holds little loses no groups because of others. Zero: 1 GiB,
	// which 128 sessions hold that use up their own default limit of 8 MiB.
	Limits api.Limits

	// Logger gets what no error reports. At Info, "session began" when a session is
	// admitted, "session refused" if not, and "session ended" with how long it
	// lasted, the bytes and the cause, also after an orderly close; at Debug the
	// requests of both ends, what is refused with its code, and announcements that
	// are dropped, with the reason; nothing for a group or a frame. All lines of a
	// session have the attribute "session", its [api.SessionState].ID. URLs are
	// logged without their queries, which may hold tokens. Nil: nothing is logged.
	Logger *slog.Logger

	// Mux has the tracks that peers may subscribe to. Nil:
	// [api.DefaultTrackMux].
	Mux *api.TrackMux

	// Handler is called with each accepted session, in a goroutine of its own.
	// The session lives on when Handler returns. Nil: no call.
	Handler func(api.Session)

	// Admit decides what a session may do; it is asked once, and may block. An
	// error that matches [api.ErrUnauthorized] and a grant of nothing refuse the
	// session: its client sees a close with [api.SessionUnauthorized], over
	// WebSocket HTTP's status 401. After any other error, and after a grant that
	// cannot be applied ([api.Grant.Validate]) or has expired, the session ends
	// with [api.SessionUnavailable], over WebSocket with status 502: nobody has
	// refused it, and its client may try again. Both are logged. So it goes as
	// well if Admit takes longer than 10 s, when ctx ends.
	//
	// Over WebSocket Admit is asked before the request is answered. Over other
	// transports it is asked in the session, which the client has already when
	// it is refused: on moq-lite-03 and 04 at once, and from 05 on when the
	// client's SETUP has come, so that its role is known; a declared role of
	// which the grant has nothing is refused. The client gets no SETUP and no
	// answer before.
	//
	// Nil: every session may do everything ([api.GrantAll]).
	Admit func(ctx context.Context, r api.AdmitRequest) (api.Grant, error)

	// HTTP answers the requests that are not for a session, except those for
	// /certificate.sha256: on the TCP port, over HTTP/1.1 and with TLS HTTP/2,
	// and on the UDP port over HTTP/3. Requests without TLS come on the TCP port
	// too, with a nil TLS: pages for users alone refuse them, or redirect them.
	// Shutdown takes no more requests and waits for those that are being
	// answered. Nil: the server offers no HTTP/2, and
	// answers others with status 404.
	HTTP http.Handler

	// Origins are the web origins whose pages may connect, as
	// scheme://host[:port]. Nil: all may.
	Origins []string

	// TrustedProxies are the networks of proxies and load balancers that may
	// name the client's address: over TCP in the PROXY protocol, versions 1 and
	// 2, and over WebSocket also in X-Forwarded-For. The Remote in a session's
	// state is then the client. From all other addresses, connections that
	// begin with a PROXY header are refused, and X-Forwarded-For is ignored.
	// Nil: none.
	TrustedProxies []netip.Prefix

	// ListenFunc, if set, makes the listener, and the fields Addr, Socket,
	// TCP, TLSConfig, QUICConfig, Origins and TrustedProxies are not used. The
	// listener must negotiate one of protocols, which are the versions of
	// Config.
	ListenFunc func(protocols []string) (transport.Listener, error)

	mu       sync.Mutex
	bound    *listenerSet
	upgrades webSockets
	sessions sessionSet
	from     addresses
	identity identity
	budget   *receive.ServerBudget // made by unread
	tasks    sync.WaitGroup        // goroutines that accept and serve; Add with mu held, before released
	released bool
}

var _ api.Server = (*Server)(nil)

// A listenerSet holds the listeners of a server.
type listenerSet struct {
	listeners []transport.Listener
	finish    []func(context.Context) error // wait for HTTP requests that are being answered
	close     []func() error                // close the HTTP servers
}

func (b *listenerSet) addr() net.Addr { return b.listeners[0].Addr() }

// closeAll closes them.
func (b *listenerSet) closeAll() error {
	var errs []error
	for _, f := range b.close {
		errs = append(errs, f())
	}
	for _, l := range b.listeners {
		errs = append(errs, l.Close())
	}
	return errors.Join(errs...)
}

// Listen implements [api.Server].
func (s *Server) Listen() (net.Addr, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.sessions.isDraining() {
		return nil, api.ErrServerClosed
	}
	if s.bound != nil {
		return nil, fmt.Errorf("listen: the server listens on %v already", s.bound.addr())
	}
	if err := errors.Join(s.Config.Validate(), s.checkLimits()); err != nil {
		return nil, fmt.Errorf("listen: %w", err)
	}
	b, err := s.bind()
	if err != nil {
		return nil, fmt.Errorf("listen: %w", err)
	}
	s.bound = b
	return b.addr(), nil
}

func (s *Server) bind() (*listenerSet, error) {
	names := protocols(s.Config)
	if len(names) == 0 {
		return nil, errNoVersions
	}
	if s.ListenFunc != nil {
		l, err := s.ListenFunc(names)
		if err != nil {
			return nil, err
		}
		return &listenerSet{listeners: []transport.Listener{l}}, nil
	}
	tlsConfig := s.TLSConfig
	if tlsConfig == nil {
		rotation, err := devcert.NewRotation()
		if err != nil {
			return nil, err
		}
		tlsConfig = rotation.Config()
	}
	// The TCP port has the number of the UDP port. If any port will do, try
	// until one is free for both.
	var err error
	for range 16 {
		var b *listenerSet
		if b, err = s.listen(tlsConfig, names); err == nil {
			return b, nil
		}
		if _, port, splitErr := net.SplitHostPort(s.Addr); s.Addr != "" && splitErr == nil && port != "0" {
			break
		}
	}
	return nil, err
}

// listen opens a UDP port, or uses s.Socket, and the TCP port.
func (s *Server) listen(tlsConfig *tls.Config, names []string) (*listenerSet, error) {
	addr := s.Addr
	if addr == "" {
		addr = ":0"
	}
	site := s.site(tlsConfig)
	web := &wtconn.Server{
		Protocols: names, Origins: s.Origins, Accept: s.acceptWebTransport, Refused: s.refused, Handler: site, Logger: s.Logger,
	}
	udp, err := quicconn.Listen(addr, tlsConfig, s.QUICConfig, quicconn.ListenOptions{
		Protocols: names, H3: web.ServeQUICConn, Socket: s.Socket, Refused: s.refused, Logger: s.Logger,
		StatelessResetKey: cmp.Or(s.StatelessResetKey, resetKey(tlsConfig)),
	})
	if err != nil {
		return nil, err
	}
	b := &listenerSet{
		listeners: []transport.Listener{udp},
		finish:    []func(context.Context) error{web.Shutdown},
		close:     []func() error{web.Close},
	}
	if s.Socket != nil && s.TCP == nil {
		return b, nil
	}
	tcp, err := wsconn.Listen(udp.Addr().String(), wsconn.ListenOptions{
		Protocols: names, TLSConfig: tlsConfig, Plain: true, HTTP: s.onPort(site), HTTP2: s.HTTP != nil,
		Socket: s.TCP, TrustedProxies: s.TrustedProxies, Refused: s.refused, Logger: s.Logger,
	})
	if err != nil {
		_ = b.closeAll()
		return nil, err
	}
	b.listeners, b.finish = append(b.listeners, tcp), append(b.finish, tcp.Shutdown)
	return b, nil
}

// ListenAndServe implements [api.Server].
func (s *Server) ListenAndServe() error {
	s.mu.Lock()
	listening := s.bound != nil
	s.mu.Unlock()
	if !listening {
		if _, err := s.Listen(); err != nil {
			return err
		}
	}
	s.mu.Lock()
	b := s.bound
	s.mu.Unlock()
	ended := make(chan error, len(b.listeners))
	for _, l := range b.listeners {
		if !s.spawn(func() { ended <- s.acceptFrom(l) }) {
			return api.ErrServerClosed
		}
	}
	err := <-ended
	if err != api.ErrServerClosed {
		_ = s.Close()
	}
	return err
}

// acceptFrom serves the connections of a listener until the server is closed
// or the listener fails. While the server shuts down it goes on, so that whoever
// connects is told that the server is about to end.
func (s *Server) acceptFrom(l transport.Listener) error {
	for {
		conn, err := l.Accept(context.Background())
		switch {
		case err != nil && s.sessions.isDraining():
			return api.ErrServerClosed
		case err != nil:
			return fmt.Errorf("serve: %w", err)
		case !s.spawn(func() { s.serveConn(conn, session.Options{}) }):
			s.refuseClosing(conn)
		}
	}
}

// spawn calls f in a goroutine that Close waits for. It reports false after
// Close.
func (s *Server) spawn(f func()) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.released {
		return false
	}
	s.tasks.Go(f)
	return true
}

func (s *Server) mux() *api.TrackMux { return cmp.Or(s.Mux, api.DefaultTrackMux) }

// Close implements [api.Server].
func (s *Server) Close() error { return s.sessions.closeAll(s.closeListeners) }

// Shutdown implements [api.Server].
func (s *Server) Shutdown(ctx context.Context) error {
	return s.sessions.drainAll(ctx, api.ErrServerClosed, s.finishRequests, s.closeListeners)
}

// closeListeners closes the listeners and waits for the goroutines that serve.
func (s *Server) closeListeners() error {
	s.mu.Lock()
	b := s.bound
	s.released = true
	s.mu.Unlock()
	err := s.webSockets().Close()
	if b != nil {
		err = errors.Join(err, b.closeAll())
	}
	s.tasks.Wait()
	if err != nil {
		return fmt.Errorf("close: %w", err)
	}
	return nil
}

// finishRequests waits for the HTTP requests that are being answered, and takes no more.
func (s *Server) finishRequests(ctx context.Context) error {
	s.mu.Lock()
	b := s.bound
	s.mu.Unlock()
	if b == nil {
		return nil
	}
	errs := make([]error, len(b.finish))
	var waiting sync.WaitGroup
	for i, finish := range b.finish {
		waiting.Go(func() { errs[i] = finish(ctx) })
	}
	waiting.Wait()
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("shutdown: HTTP requests were cut: %w", err)
	}
	return nil
}
