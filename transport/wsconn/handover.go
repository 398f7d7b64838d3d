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

// A handover is the listener of an HTTP server that is handed its connections.
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

// serve answers requests until shut.
func (h *handover) serve() { _ = h.server.Serve(h) }

// shut ends serve and its connections, but for those of WebSocket.
func (h *handover) shut() {
	_ = h.Close()
	_ = h.server.Close()
}

// take hands a connection over.
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
