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
	// closeTimeout bounds how long Close waits for others.
	closeTimeout = time.Second

	// codeInternal is moq-lite's session code for a failure on this side.
	codeInternal = 1
)

// A Server serves WebSocket requests, as an [http.Handler] of an HTTP/1.1
// server. Its fields must not change once it serves.
type Server struct {
	// Protocols are the moq-lite versions to speak, the most wanted first: it
	// is this order that decides.
	Protocols []string

	// Origins are the web pages that may connect, as scheme://host[:port].
	// Who sends no Origin is no web page. Nil: any.
	Origins []string

	// Accept lets a connection in or not, before the client is answered. The
	// state has the version, and the URL with path and query; ctx ends with
	// the request. serve is called in a goroutine of its own with the
	// connection, which is serve's to close. Errors that match
	// transport.ErrUnauthorized or transport.ErrNotFound are answered with 401
	// and 404, others with 500. Required.
	Accept func(ctx context.Context, s transport.State) (serve func(transport.Conn), err error)

	// TrustedProxies are the networks of proxies that are believed when they say,
	// by X-Forwarded-For, which client they speak for; nil: none.
	TrustedProxies []netip.Prefix

	// Handler answers requests that are not for WebSocket; nil: 404.
	Handler http.Handler

	// Config is what clients are granted; nil: the defaults.
	Config *Config

	// Logger is told of panics in Accept and serve; nil: silence.
	Logger *slog.Logger

	mu     sync.Mutex
	conns  map[transport.Conn]struct{}
	closed bool
	wg     sync.WaitGroup // connections that are set up or served
}

var _ http.Handler = (*Server)(nil)

// enter counts what Close waits for; false after Close.
func (s *Server) enter() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return false
	}
	s.wg.Add(1)
	return true
}

// add has Close end c; false after Close.
func (s *Server) add(c transport.Conn) bool {
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

// serve has f serve c.
func (s *Server) serve(c transport.Conn, f func(transport.Conn)) {
	defer func() {
		if p := recover(); p != nil {
			s.log("panic in serve", p)
			_ = c.CloseWithError(codeInternal, "internal error")
		}
	}()
	f(c)
}

func (s *Server) log(what string, detail any) {
	if s.Logger != nil {
		s.Logger.Error(what, "detail", detail)
	}
}

// Close ends all connections with code 0, and waits for what serves them, but
// for no longer than a second or so. Later requests are refused.
func (s *Server) Close() error {
	s.mu.Lock()
	s.closed = true
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
