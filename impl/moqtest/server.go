// Package moqtest runs a server and its clients in one process, for the tests
// of applications, as net/http/httptest does for HTTP.
//
//	server := moqtest.NewServer(mux)
//	defer server.Close()
//	session, err := server.Client().Dial(ctx, server.URL, nil)
//
// By default everything is in memory and no socket is opened, so that a test
// can run in a testing/synctest bubble and make the server fail at a chosen
// moment ([Server.Freeze], [Server.Sever], …). With a [Link] the server speaks
// real QUIC over a simulated network, also in a bubble; with
// [Server.StartSockets] it uses QUIC and WebTransport over the loopback
// interface.
package moqtest

import (
	"crypto/tls"
	"net"
	"net/url"
	"sync"
	"time"

	"github.com/moqlite/moqlite/api"
	"github.com/moqlite/moqlite/impl"
	"github.com/moqlite/moqlite/impl/devcert"
	"github.com/moqlite/moqlite/impl/relay"
	"github.com/moqlite/moqlite/transport"
	"github.com/moqlite/moqlite/transport/memconn"
	"github.com/moqlite/moqlite/transport/quicconn"
	"github.com/moqlite/moqlite/transport/wsconn"
	"github.com/moqlite/moqlite/transport/wtconn"
)

// host is the host in the URL of a server in memory.
const host = "moqtest.example"

// A Server is a moq-lite server and the network to it.
type Server struct {
	// URL is what clients dial. With StartSockets, another scheme selects
	// another transport.
	URL string

	// Config is the underlying server. Its fields may be set between
	// NewUnstartedServer and the start.
	Config *impl.Server

	// Delay is the one-way delay in each direction of a server in memory. It
	// may be set before the start.
	Delay time.Duration

	// Link, if set before the start, is the simulated network over which the
	// server accepts QUIC, WebTransport and WebSocket.
	Link *Link

	// Network is where a server in memory listens.
	Network *memconn.Network

	// Certificate is the certificate of a server that is not in memory, as of
	// its start. It is renewed after twelve days; clients of [Server.Client]
	// trust the renewed one too, and no others.
	Certificate tls.Certificate

	// Relay is the relay that a server of NewRelay serves; nil for other
	// servers.
	Relay *relay.Relay

	rotation *devcert.Rotation
	faults   *faults
	tcp      string // the Link's address for TCP
	mu       sync.Mutex
	clients  []*impl.Client
	sockets  []func() error // close the clients' sockets on the Link
	serving  sync.WaitGroup
}

// NewServer starts a server in memory whose clients can subscribe to the
// tracks of mux. Nil means [api.DefaultTrackMux]. The caller must close the
// server.
func NewServer(mux *api.TrackMux) *Server {
	s := NewUnstartedServer(mux)
	s.Start()
	return s
}

// NewUnstartedServer is like NewServer, but does not start the server.
func NewUnstartedServer(mux *api.TrackMux) *Server {
	return &Server{Config: &impl.Server{Mux: mux}, Network: new(memconn.Network), faults: newFaults()}
}

// NewRelay starts a relay in memory: clients can subscribe to what other
// clients publish. The caller must close it.
func NewRelay() *Server {
	s := NewUnstartedRelay()
	s.Start()
	return s
}

// NewUnstartedRelay is like NewRelay, but does not start the relay.
func NewUnstartedRelay() *Server {
	r := relay.New()
	s := NewUnstartedServer(r.Mux())
	s.Config.Handler, s.Relay = r.Handler, r
	return s
}

// Start starts the server, in memory or on its Link. Like StartSockets, it
// panics when that fails, which means that the test is wrong.
func (s *Server) Start() {
	if s.Link != nil {
		s.startLink()
		return
	}
	s.Network.Config = &memconn.Config{OneWayDelay: s.Delay}
	s.Config.ListenFunc = func(protocols []string) (transport.Listener, error) {
		l, err := s.Network.Listen(host, protocols, &memconn.ListenOptions{Config: s.Network.Config})
		if err != nil {
			return nil, err
		}
		return faultyListener{l, s.faults}, nil
	}
	s.listen()
	s.URL = "moqt://" + host
}

// startLink starts the server on its Link.
func (s *Server) startLink() {
	s.Config.TLSConfig = s.makeCertificate()
	s.Config.Socket = s.Link.Socket()
	s.Config.TCP = s.Link.Listen()
	s.tcp = s.Config.TCP.Addr().String()
	s.URL = "moqt://" + s.listen().String()
}

// StartSockets starts the server on a free port of the loopback interface. It
// panics when that fails.
func (s *Server) StartSockets() {
	s.Config.TLSConfig = s.makeCertificate()
	s.Config.Addr = "127.0.0.1:0"
	s.URL = "moqt://" + s.listen().String()
}

// makeCertificate makes the server's certificate.
func (s *Server) makeCertificate() *tls.Config {
	rotation, err := devcert.NewRotation()
	if err != nil {
		panic("moqtest: " + err.Error())
	}
	cert, err := rotation.GetCertificate(nil)
	if err != nil {
		panic("moqtest: " + err.Error())
	}
	s.rotation, s.Certificate = rotation, *cert
	return rotation.Config()
}

// listen starts serving and returns the address.
func (s *Server) listen() net.Addr {
	addr, err := s.Config.Listen()
	if err != nil {
		panic("moqtest: " + err.Error())
	}
	s.serving.Go(func() { _ = s.Config.ListenAndServe() })
	return addr
}

// Client returns a new client that can dial the server. Close closes it. Its
// fields may be set before its first Dial.
func (s *Server) Client() *impl.Client {
	c := new(impl.Client)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.clients = append(s.clients, c)
	switch {
	case s.Link != nil:
		endpoint := &quicconn.Endpoint{Socket: s.Link.Socket()}
		s.sockets = append(s.sockets, endpoint.Close)
		tcp := &wsconn.Dialer{TLSConfig: s.rotation.Trust(), DialContext: s.Link.DialContext}
		c.Transport = transport.ByBinding(map[string]transport.Dialer{
			transport.QUIC:         &quicconn.Dialer{Endpoint: endpoint, TLSConfig: s.rotation.Trust()},
			transport.WebTransport: &wtconn.Dialer{Endpoint: endpoint, TLSConfig: s.rotation.Trust()},
			transport.WebSocket:    tcp, transport.TLS: tcp, transport.TCP: tcp,
		})
	case s.Certificate.Certificate != nil:
		c.TLSConfig = s.rotation.Trust()
	default:
		c.Transport = s.Network
	}
	return c
}

// WebTransportURL returns URL with the scheme of WebTransport, which servers
// with sockets or a Link accept.
func (s *Server) WebTransportURL() string { return s.urlWith("https", "") }

// WebSocketURL returns URL with the scheme of WebSocket, which the same
// servers accept.
func (s *Server) WebSocketURL() string { return s.urlWith("wss", s.tcp) }

// urlWith returns URL with another scheme and, unless it is empty, another host.
func (s *Server) urlWith(scheme, host string) string {
	u, err := url.Parse(s.URL)
	if err != nil {
		panic("moqtest: " + err.Error())
	}
	u.Scheme = scheme
	if host != "" {
		u.Host = host
	}
	return u.String()
}

// Close closes the clients, the server, and its relay if it has one. It blocks
// until they have ended.
func (s *Server) Close() {
	s.Thaw()
	s.mu.Lock()
	clients, sockets := s.clients, s.sockets
	s.mu.Unlock()
	for _, c := range clients {
		_ = c.Close()
	}
	_ = s.Config.Close()
	if s.Relay != nil {
		_ = s.Relay.Close()
	}
	for _, end := range sockets {
		_ = end()
	}
	s.serving.Wait()
}
