package wsconn

import (
	"log/slog"
	"net"
	"net/http"
	"sync"
	"time"
)

// protocolHTTP is the ALPN of HTTP/1.1, which WebSocket needs.
const protocolHTTP = "http/1.1"

// A handover passes connections that a Listener has accepted to an HTTP
// server. It is the net.Listener of that server.
type handover struct {
	addr   net.Addr
	server *http.Server
	conns  chan net.Conn
	done   chan struct{}
	once   sync.Once
}

func newHandover(addr net.Addr, handler http.Handler) *handover {
	return &handover{
		addr: addr,
		server: &http.Server{
			Handler:           handler,
			ReadHeaderTimeout: setupTimeout,
			IdleTimeout:       time.Minute,
			ErrorLog:          slog.NewLogLogger(slog.DiscardHandler, slog.LevelError),
		},
		conns: make(chan net.Conn),
		done:  make(chan struct{}),
	}
}

// serve runs the HTTP server until shut is called.
func (h *handover) serve() { _ = h.server.Serve(h) }

// shut stops the HTTP server and closes its connections, except for those that
// have become WebSocket connections.
func (h *handover) shut() {
	_ = h.Close()
	_ = h.server.Close()
}

// take passes c to the HTTP server, or closes it after shut.
func (h *handover) take(c net.Conn) error {
	select {
	case h.conns <- c:
		return nil
	case <-h.done:
		return c.Close()
	}
}

// Accept implements [net.Listener].
func (h *handover) Accept() (net.Conn, error) {
	select {
	case c := <-h.conns:
		return c, nil
	case <-h.done:
		return nil, net.ErrClosed
	}
}

// Addr implements [net.Listener].
func (h *handover) Addr() net.Addr { return h.addr }

// Close implements [net.Listener].
func (h *handover) Close() error {
	h.once.Do(func() { close(h.done) })
	return nil
}
