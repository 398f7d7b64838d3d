package wsconn

import (
	"context"
	"log/slog"
	"net"
	"net/http"
	"net/netip"

	"github.com/moqlite/moqlite/transport"
	"github.com/moqlite/moqlite/transport/internal/serving"
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
	// answer. s has the moq-lite version, the URL with path and query, and the
	// request's header. ctx ends with the request; once that is accepted, when
	// serve has returned, or when no connection has come and serve is not
	// called. serve is called in a goroutine of its own with the connection,
	// which it owns and must close. Errors that match transport.ErrUnauthorized
	// are answered with status 401, transport.ErrNotFound with 404,
	// transport.ErrUnavailable with 502, and others with 500. Required.
	Accept func(ctx context.Context, s transport.State) (serve func(transport.Conn), err error)

	// Refused, if not nil, is told of each request for WebSocket that is refused before
	// Accept is asked, or in spite of it: its origin may not connect, it offers no
	// version in common or breaks the rules of the handshake, or the server is closed.
	// It may be called concurrently.
	Refused func(remote net.Addr, why error)

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

	conns serving.Group // those that are being set up or served
}

var _ http.Handler = (*Server)(nil)

// log reports what no caller learns.
func (s *Server) log(what string, detail any) {
	if s.Logger != nil {
		s.Logger.Error(what, "detail", detail)
	}
}

// Close closes all connections with code 0. It waits until the calls of serve
// have returned, for about a second at most. Later requests are refused.
func (s *Server) Close() error {
	s.conns.Close()
	s.conns.Wait()
	return nil
}
