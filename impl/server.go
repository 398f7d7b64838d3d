package impl

import (
	"context"
	"crypto/tls"
	"encoding/hex"
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
	"github.com/moqlite/moqlite/impl/internal/control"
	"github.com/moqlite/moqlite/impl/internal/session"
	"github.com/moqlite/moqlite/transport"
	"github.com/moqlite/moqlite/transport/quicconn"
	"github.com/moqlite/moqlite/transport/wsconn"
	"github.com/moqlite/moqlite/transport/wtconn"
)

// A Server accepts sessions: WebTransport and native QUIC on one UDP port, and
// on the TCP port of the same number WebSocket, TLS, and TCP without either,
// for clients that UDP does not reach. There it also answers GET
// /certificate.sha256, by which development clients pin its certificate. The
// fields must not change once it listens.
type Server struct {
	// Addr is host:port; an empty host is all addresses, and port 0 (or an
	// empty Addr) any free one.
	Addr string

	// Socket, if set, is served on in place of the UDP port at Addr, and is
	// closed with the server.
	Socket net.PacketConn

	// TCP is served on in place of the TCP port at Addr, and is closed with the
	// server. It needs Socket; with a Socket and without TCP there is no
	// WebSocket.
	TCP net.Listener

	// TLSConfig holds the certificate; nil: one for development is made, for
	// localhost, and renewed ([devcert.Rotation]).
	TLSConfig *tls.Config

	// QUICConfig; nil, and its zeros: defaults tuned for live media
	// ([quicconn.DefaultConfig]). With Allow0RTT, early data is taken over native
	// QUIC (see the package's documentation).
	QUICConfig *quic.Config

	// Config sets up sessions; nil: the defaults.
	Config *api.Config

	// Logger gets what no error tells; nil: silence.
	Logger *slog.Logger

	// Mux is what peers may subscribe to; nil: [api.DefaultTrackMux].
	Mux *api.TrackMux

	// Handler is told of each session that was let in, in a goroutine of its
	// own; the session lives on when it returns. Nil: none.
	Handler func(api.Session)

	// Authorize lets a session in or not: the URL in its state has the path
	// and the query that the client asked for. The mux that it returns is what
	// this peer may subscribe to; nil is Mux. Nil: everyone is let in.
	Authorize func(ctx context.Context, s api.SessionState) (*api.TrackMux, error)

	// Origins are the web pages that may connect, as scheme://host[:port];
	// nil: any.
	Origins []string

	// TrustedProxies are the networks of proxies and load balancers that are
	// believed when they say which client they speak for: over TCP by the PROXY
	// protocol, versions 1 and 2, over WebSocket by X-Forwarded-For too. The Remote
	// of a session's state is that client then. From anywhere else a PROXY header
	// is no connection, and X-Forwarded-For is not looked at. Nil: none.
	TrustedProxies []netip.Prefix

	// ListenFunc, if set, replaces Addr, Socket, TCP, TLSConfig, QUICConfig, Origins
	// and TrustedProxies: connections come from what it returns, and negotiate one of protocols,
	// the versions of Config.
	ListenFunc func(protocols []string) (transport.Listener, error)

	mu       sync.Mutex
	bound    *binding
	sessions sessions
	identity identity
	tasks    sync.WaitGroup // of accepting and serving; Add with mu, before released
	released bool
}

var _ api.Server = (*Server)(nil)

// A binding is what a server listens on.
type binding struct {
	listeners []transport.Listener
	close     []func() error // what serves requests
}

func (b *binding) addr() net.Addr { return b.listeners[0].Addr() }

// release stops listening.
func (b *binding) release() error {
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
	if s.sessions.over() {
		return nil, api.ErrServerClosed
	}
	if s.bound != nil {
		return nil, fmt.Errorf("listen: the server listens on %v already", s.bound.addr())
	}
	if err := s.Config.Validate(); err != nil {
		return nil, fmt.Errorf("listen: %w", err)
	}
	b, err := s.bind()
	if err != nil {
		return nil, fmt.Errorf("listen: %w", err)
	}
	s.bound = b
	return b.addr(), nil
}

func (s *Server) bind() (*binding, error) {
	names := protocols(s.Config)
	if len(names) == 0 {
		return nil, errNoVersions
	}
	if s.ListenFunc != nil {
		l, err := s.ListenFunc(names)
		if err != nil {
			return nil, err
		}
		return &binding{listeners: []transport.Listener{l}}, nil
	}
	tlsConfig := s.TLSConfig
	if tlsConfig == nil {
		rotation, err := devcert.NewRotation()
		if err != nil {
			return nil, err
		}
		tlsConfig = rotation.Config()
	}
	// The TCP port is that of the UDP port: where any will do, one that is
	// free in both is looked for.
	var err error
	for range 16 {
		var b *binding
		if b, err = s.listen(tlsConfig, names); err == nil {
			return b, nil
		}
		if _, port, splitErr := net.SplitHostPort(s.Addr); s.Addr != "" && splitErr == nil && port != "0" {
			break
		}
	}
	return nil, err
}

// listen binds a UDP port, or takes the server's socket, and the TCP port.
func (s *Server) listen(tlsConfig *tls.Config, names []string) (*binding, error) {
	addr := s.Addr
	if addr == "" {
		addr = ":0"
	}
	web := &wtconn.Server{Protocols: names, Origins: s.Origins, Accept: s.admit, Logger: s.Logger}
	udp, err := quicconn.Listen(addr, tlsConfig, s.QUICConfig, quicconn.ListenOptions{
		Protocols: names, H3: web.ServeQUICConn, Socket: s.Socket, Logger: s.Logger,
	})
	if err != nil {
		return nil, err
	}
	b := &binding{listeners: []transport.Listener{udp}, close: []func() error{web.Close}}
	if s.Socket != nil && s.TCP == nil {
		return b, nil
	}
	sockets := &wsconn.Server{
		Protocols: names, Origins: s.Origins, Accept: s.admit, Logger: s.Logger, Handler: certificateHandler(tlsConfig),
		TrustedProxies: s.TrustedProxies,
	}
	tcp, err := wsconn.Listen(udp.Addr().String(), wsconn.ListenOptions{
		Protocols: names, TLSConfig: tlsConfig, Plain: true, HTTP: sockets, Socket: s.TCP, TrustedProxies: s.TrustedProxies,
	})
	if err != nil {
		_ = b.release()
		return nil, err
	}
	b.listeners, b.close = append(b.listeners, tcp), append(b.close, sockets.Close)
	return b, nil
}

// certificateHandler tells the fingerprint of the certificate in use.
func certificateHandler(c *tls.Config) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /certificate.sha256", func(w http.ResponseWriter, r *http.Request) {
		cert, err := leaf(c, r.Host)
		if err != nil {
			http.Error(w, "no certificate", http.StatusNotFound)
			return
		}
		sum := devcert.Fingerprint(*cert)
		w.Header().Set("Content-Type", "text/plain")
		w.Header().Set("Access-Control-Allow-Origin", "*")
		_, _ = w.Write([]byte(hex.EncodeToString(sum[:])))
	})
	return mux
}

// leaf is the certificate that a client of host is shown.
func leaf(c *tls.Config, host string) (*tls.Certificate, error) {
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	if c.GetCertificate != nil {
		cert, err := c.GetCertificate(&tls.ClientHelloInfo{ServerName: host})
		if cert != nil || err != nil {
			return cert, err
		}
	}
	if len(c.Certificates) == 0 {
		return nil, errors.New("no certificate")
	}
	return &c.Certificates[0], nil
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

// acceptFrom serves what a listener accepts until the server is closed, or the
// listener fails.
func (s *Server) acceptFrom(l transport.Listener) error {
	for {
		conn, err := l.Accept(context.Background())
		if s.sessions.over() {
			if err == nil {
				_ = conn.CloseWithError(uint64(api.SessionNoError), "going away")
			}
			return api.ErrServerClosed
		}
		if err != nil {
			return fmt.Errorf("serve: %w", err)
		}
		if !s.spawn(func() { s.serve(conn, session.Options{Mux: s.mux(), Authorize: s.Authorize}) }) {
			_ = conn.CloseWithError(uint64(api.SessionNoError), "going away")
		}
	}
}

// spawn runs f in a goroutine that Close waits for; it reports false after
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

func (s *Server) mux() *api.TrackMux { return orDefault(s.Mux, api.DefaultTrackMux) }

// admit decides on a session of WebTransport or WebSocket before the request is
// answered. The
// application is asked in a goroutine that is not waited for, so that it may
// close the server.
func (s *Server) admit(ctx context.Context, state transport.State) (func(transport.Conn), error) {
	mux, err := s.mux(), error(nil)
	if s.Authorize != nil {
		mux, err = control.Ask(ctx, logger(s.Logger), "Authorize", func() (*api.TrackMux, error) {
			return s.Authorize(ctx, session.State(state))
		})
		mux = orDefault(mux, s.mux())
	}
	if err != nil {
		return nil, errors.Join(transport.ErrUnauthorized, err)
	}
	return func(conn transport.Conn) {
		if ss := s.serve(conn, session.Options{Mux: mux}); ss != nil {
			ss.Wait() // the request lasts as long
		}
	}, nil
}

func orDefault(mux, otherwise *api.TrackMux) *api.TrackMux {
	if mux == nil {
		return otherwise
	}
	return mux
}

// serve makes a session of a connection, and hands it to the application when
// it is let in. It returns nil if there is none.
func (s *Server) serve(conn transport.Conn, o session.Options) *session.Session {
	_, end, ok := s.sessions.begin(context.Background(), api.ErrServerClosed)
	if !ok {
		_ = conn.CloseWithError(uint64(api.SessionNoError), "going away")
		return nil
	}
	o.Config, o.Hop, o.Logger = s.Config, s.identity.hop(s.Config), logger(s.Logger)
	ss, err := session.New(conn, o)
	if err == nil && !s.sessions.add(ss) {
		_ = ss.Terminate(api.SessionNoError, "going away")
		err = api.ErrServerClosed
	}
	end()
	if err != nil {
		o.Logger.Info("session refused", "remote", conn.State().Remote, "error", err)
		return nil
	}
	if ss.Ready(context.Background()) == nil && s.Handler != nil {
		control.Call(logger(s.Logger), "Handler", func() { s.Handler(ss) }, nil)
	}
	return ss
}

// Close implements [api.Server].
func (s *Server) Close() error { return s.sessions.close(s.release) }

// Shutdown implements [api.Server].
func (s *Server) Shutdown(ctx context.Context) error {
	return s.sessions.shutdown(ctx, api.ErrServerClosed, s.release)
}

// release frees what the server listens on.
func (s *Server) release() error {
	s.mu.Lock()
	b := s.bound
	s.released = true
	s.mu.Unlock()
	if b == nil {
		return nil
	}
	err := b.release()
	s.tasks.Wait()
	if err != nil {
		return fmt.Errorf("close: %w", err)
	}
	return nil
}
