// Package moqtest has a server and its clients in one process, for the tests of
// applications, as net/http/httptest has for HTTP.
//
//	server := moqtest.NewServer(mux)
//	defer server.Close()
//	session, err := server.Client().Dial(ctx, server.URL, nil)
//
// By default everything is in memory: nothing opens a socket, so it works in a
// testing/synctest bubble, and the server can be made to fail at a chosen
// moment ([Server.Freeze], [Server.Sever], …). With a [Link] it is real QUIC
// over a simulated network, in a bubble too; with [Server.StartSockets], QUIC
// and WebTransport over the loopback interface.
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

// host is what the URL of a server in memory names.
const host = "moqtest.example"

// A Server is a moq-lite server and the network to it.
type Server struct {
	// URL is what clients dial. With StartSockets, another scheme picks another
	// transport.
	URL string

	// Config is the server underneath. Its fields may be set between
	// NewUnstartedServer and the start.
	Config *impl.Server

	// Delay is how long everything takes in each direction, in memory. It may
	// be set before the start.
	Delay time.Duration

	// Link, if set before the start, has the server talk QUIC, WebTransport and
	// WebSocket over it.
	Link *Link

	// Network is where a server in memory listens.
	Network *memconn.Network

	// Certificate is what a server is known by at its start that is not in
	// memory. It is renewed after twelve days, which clients of [Server.Client]
	// follow: they trust the server's certificates alone.
	Certificate tls.Certificate

	// Relay is what a server of NewRelay serves; nil of others.
	Relay *relay.Relay

	rotation *devcert.Rotation
	faults   *faults
	tcp      string // where the link's TCP leads
	mu       sync.Mutex
	clients  []*impl.Client
	sockets  []func() error // the clients' on the link
	serving  sync.WaitGroup
}

// NewServer starts a server in memory of what is published in mux; nil means
// [api.DefaultTrackMux]. The caller closes it.
func NewServer(mux *api.TrackMux) *Server {
	s := NewUnstartedServer(mux)
	s.Start()
	return s
}

// NewUnstartedServer is NewServer without Start.
func NewUnstartedServer(mux *api.TrackMux) *Server {
	return &Server{Config: &impl.Server{Mux: mux}, Network: new(memconn.Network), faults: newFaults()}
}

// NewRelay starts a relay in memory: what one session publishes, the others can
// subscribe to. The caller closes it.
func NewRelay() *Server {
	s := NewUnstartedRelay()
	s.Start()
	return s
}

// NewUnstartedRelay is NewRelay without Start.
func NewUnstartedRelay() *Server {
	r := relay.New()
	s := NewUnstartedServer(r.Mux())
	s.Config.Handler, s.Relay = r.Handler, r
	return s
}

// Start starts the server, in memory or on its Link. As StartSockets, it
// panics when that fails, which is a mistake in the test.
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
	s.Config.TLSConfig = s.certify()
	s.Config.Socket = s.Link.Socket()
	s.Config.TCP = s.Link.Listen()
	s.tcp = s.Config.TCP.Addr().String()
	s.URL = "moqt://" + s.listen().String()
}

// StartSockets starts the server on a port of the loopback interface.
func (s *Server) StartSockets() {
	s.Config.TLSConfig = s.certify()
	s.Config.Addr = "127.0.0.1:0"
	s.URL = "moqt://" + s.listen().String()
}

// certify makes the server's certificate.
func (s *Server) certify() *tls.Config {
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

// listen starts serving, and returns where.
func (s *Server) listen() net.Addr {
	addr, err := s.Config.Listen()
	if err != nil {
		panic("moqtest: " + err.Error())
	}
	s.serving.Go(func() { _ = s.Config.ListenAndServe() })
	return addr
}

// Client returns a new client that reaches the server, and is closed with it.
// Its fields may be set before its first Dial.
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

// WebTransportURL is URL over WebTransport, which servers with sockets or a
// Link speak.
func (s *Server) WebTransportURL() string { return s.with("https", "") }

// WebSocketURL is URL over WebSocket, which the same servers speak.
func (s *Server) WebSocketURL() string { return s.with("wss", s.tcp) }

// with is URL with another scheme, and another host if there is one.
func (s *Server) with(scheme, host string) string {
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

// Close ends the server, its clients, and its relay if it is one, and returns when
// they are gone.
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
