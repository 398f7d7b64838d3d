package wsconn

import (
	"context"
	"log/slog"
	"net/http"
	"net/netip"
	"sync"
	"time"

	"github.com/moqlite/moqlite/transport"
)

const (
	// closeTimeout bounds how long Close waits for the calls of serve.
	closeTimeout = time.Second

	// codeInternal is moq-lite's session code for an internal error.
	codeInternal = 1
)

// A Server accepts WebSocket requests. It is an [http.Handler] for an HTTP/1.1
// server. Its fields must not change after the first request. All methods may
// be called concurrently.
type Server struct {
	// Protocols are the moq-lite versions to accept, in the server's order of
	// preference, which decides.
	Protocols []string

	// Origins are the web origins whose pages may connect, as
	// scheme://host[:port]. Requests without an Origin header are not from web
	// pages and are not restricted. Nil: all origins may.
	Origins []string

	// Accept decides whether to accept a connection, before the client gets an
	// answer. s has the moq-lite version, and the URL with path and query; ctx
	// ends with the request. serve is then called in a goroutine of its own
	// with the connection, which it owns and must close. Errors that match
	// transport.ErrUnauthorized are answered with status 401,
	// transport.ErrNotFound with 404, and others with 500. Required.
	Accept func(ctx context.Context, s transport.State) (serve func(transport.Conn), err error)

	// TrustedProxies are the networks of proxies that may name the client's
	// address in X-Forwarded-For. Nil: none.
	TrustedProxies []netip.Prefix

	// Handler handles requests that are not for WebSocket. Nil: status 404.
	Handler http.Handler

	// Config has the flow control windows and stream limits granted to
	// clients. Nil: the defaults.
	Config *Config

	// Logger gets panics of Accept and serve. Nil: nothing is logged.
	Logger *slog.Logger

	mu     sync.Mutex
	conns  map[transport.Conn]struct{}
	closed bool
	wg     sync.WaitGroup // connections that are being set up or served
}

var _ http.Handler = (*Server)(nil)

// enter counts a connection that Close waits for. It reports false after
// Close.
func (s *Server) enter() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return false
	}
	s.wg.Add(1)
	return true
}

// addConn registers c, so that Close closes it. It reports false after Close.
func (s *Server) addConn(c transport.Conn) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return false
	}
	if s.conns == nil {
		s.conns = make(map[transport.Conn]struct{})
	}
	s.conns[c] = struct{}{}
	context.AfterFunc(c.Context(), func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		delete(s.conns, c)
	})
	return true
}

// serveConn calls f with c, and closes c if f panics.
func (s *Server) serveConn(c transport.Conn, f func(transport.Conn)) {
	defer func() {
		if p := recover(); p != nil {
			s.log("panic in serve", p)
			_ = c.CloseWithError(codeInternal, "internal error")
		}
	}()
	f(c)
}

// log reports what no caller learns.
func (s *Server) log(what string, detail any) {
	if s.Logger != nil {
		s.Logger.Error(what, "detail", detail)
	}
}

// Close closes all connections with code 0. It waits until the calls of serve
// have returned, for about a second at most. Later requests are refused.
func (s *Server) Close() error {
	s.mu.Lock()
	s.closed = true
	// Closing takes the lock again, as each connection leaves the set.
	conns := make([]transport.Conn, 0, len(s.conns))
	for c := range s.conns {
		conns = append(conns, c)
	}
	s.mu.Unlock()
	var closing sync.WaitGroup
	for _, c := range conns {
		closing.Go(func() { _ = c.CloseWithError(0, "") })
	}
	closing.Wait()
	done := make(chan struct{})
	go func() {
		s.wg.Wait()
		close(done)
	}()
	timer := time.NewTimer(closeTimeout)
	defer timer.Stop()
	select {
	case <-done:
	case <-timer.C:
	}
	return nil
}
