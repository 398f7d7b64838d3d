package wsconn

import (
	"log/slog"
	"net"
	"net/http"
	"sync"
	"time"
)

// The ALPN of HTTP/1.1, which WebSocket needs, and of HTTP/2.
const (
	protocolHTTP  = "http/1.1"
	protocolHTTP2 = "h2"
)

// An httpListener passes connections that a Listener has accepted to an HTTP
// server. It is the net.Listener of that server.
type httpListener struct {
	addr   net.Addr
	server *http.Server
	conns  chan net.Conn
	done   chan struct{}
	once   sync.Once
}

// newHTTPListener returns a listener whose connections come from handOver. A
// client that sends its request slowly is closed after a while, as other
// clients in their setup.
func newHTTPListener(addr net.Addr, handler http.Handler, logger *slog.Logger) *httpListener {
	log := slog.DiscardHandler
	if logger != nil {
		log = logger.Handler()
	}
	return &httpListener{
		addr: addr,
		server: &http.Server{
			Handler:           handler,
			ReadHeaderTimeout: setupTimeout,
			IdleTimeout:       time.Minute,
			ErrorLog:          slog.NewLogLogger(log, slog.LevelError),
		},
		conns: make(chan net.Conn),
		done:  make(chan struct{}),
	}
}

// serveHTTP runs the HTTP server until shut is called.
func (h *httpListener) serveHTTP() { _ = h.server.Serve(h) }

// shutDown stops the HTTP server and closes its connections, except for those that
// have become WebSocket connections.
func (h *httpListener) shutDown() {
	_ = h.Close()
	_ = h.server.Close()
}

// handOver passes c to the HTTP server, or closes it after shut.
func (h *httpListener) handOver(c net.Conn) error {
	select {
	case h.conns <- c:
		return nil
	case <-h.done:
		return c.Close()
	}
}

// Accept implements [net.Listener].
func (h *httpListener) Accept() (net.Conn, error) {
	select {
	case c := <-h.conns:
		return c, nil
	case <-h.done:
		return nil, net.ErrClosed
	}
}

// Addr implements [net.Listener].
func (h *httpListener) Addr() net.Addr { return h.addr }

// Close implements [net.Listener].
func (h *httpListener) Close() error {
	h.once.Do(func() { close(h.done) })
	return nil
}
