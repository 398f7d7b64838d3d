package wtconn

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/quic-go/quic-go"
	"github.com/quic-go/quic-go/http3"
	"github.com/quic-go/webtransport-go"

	"github.com/moqlite/moqlite/transport"
	"github.com/moqlite/moqlite/transport/internal/serving"
)

// sessionTimeout is how long a QUIC connection may exist without a session.
const sessionTimeout = 30 * time.Second

// A Server serves WebTransport sessions, one per QUIC connection. Its fields
// must not change after the first ServeQUICConn. All methods may be called
// concurrently.
type Server struct {
	// Protocols are the moq-lite versions to accept, in the server's order of
	// preference, which decides.
	Protocols []string

	// Origins are the web origins whose pages may connect, as
	// scheme://host[:port]. Requests without an Origin header are not from web
	// pages and are not restricted. Nil: all origins may.
	Origins []string

	// Accept decides whether to accept a session, before the client gets an
	// answer. s has the moq-lite version, the URL with path and query, and the
	// request's header; ctx ends with the request. serve is then called in a goroutine of its
	// own with the session's connection, which it owns and must close. It is
	// not called if the client has gone or the server was closed in the
	// meantime. Errors that match transport.ErrUnauthorized are answered with
	// status 401, transport.ErrNotFound with 404, transport.ErrUnavailable
	// with 502, and others with 500.
	// Required.
	Accept func(ctx context.Context, s transport.State) (serve func(transport.Conn), err error)

	// Refused, if not nil, is told of each request for a session that is refused before
	// Accept is asked, or in spite of it: its origin may not connect, it offers no
	// version in common, or its connection has a session. It may be called
	// concurrently.
	Refused func(remote net.Addr, why error)

	// Handler answers requests that are not for WebTransport. Their connection
	// is closed when it has had neither a session nor a request for 30 seconds.
	// Nil: status 404.
	Handler http.Handler

	// Logger gets panics of Accept, serve and Handler, and errors of requests, but
	// no request: its query may hold a token. Nil: nothing is logged.
	Logger *slog.Logger

	once         sync.Once
	webtransport *webtransport.Server

	requests requests // that Handler answers

	conns serving.Group // and the running calls of ServeQUICConn and of serve
}

// An h3Conn is a QUIC connection from which a session is expected.
//
// Without the timer, clients that complete a handshake and ask for nothing
// would cost a connection each, for as long as they answer pings.
type h3Conn struct {
	quic    *quic.Conn
	session atomic.Bool  // a session exists or existed, or Accept decides on one
	serving atomic.Int64 // other requests that are being answered
	timer   *time.Timer
}

// h3ConnKey finds the h3Conn in the context of a request, so that a request
// knows on which connection it came.
type h3ConnKey struct{}

// newH3Conn closes q after sessionTimeout unless it has a session by then.
func (s *Server) newH3Conn(q *quic.Conn) *h3Conn {
	v := &h3Conn{quic: q}
	v.timer = time.AfterFunc(sessionTimeout, func() {
		if !v.session.Load() && v.serving.Load() == 0 {
			_ = q.CloseWithError(codeNoError, "")
		}
	})
	context.AfterFunc(q.Context(), func() {
		v.timer.Stop()
		s.requests.forget(v)
	})
	return v
}

// allowRetry allows the client to send another request.
func (v *h3Conn) allowRetry() {
	v.session.Store(false)
	v.timer.Reset(sessionTimeout)
}

// beginRequest keeps the connection open while another request is answered.
func (v *h3Conn) beginRequest() { v.serving.Add(1) }

// endRequest ends that. The client may send another request for a while.
func (v *h3Conn) endRequest() {
	if v.serving.Add(-1) == 0 && !v.session.Load() {
		v.timer.Reset(sessionTimeout)
	}
}

// initServer sets up the HTTP/3 and WebTransport servers.
func (s *Server) initServer() {
	s.webtransport = &webtransport.Server{
		H3: &http3.Server{
			Handler:            http.HandlerFunc(s.serveHTTP),
			AdditionalSettings: map[uint64]uint64{settingDraft07: 1},
			MaxHeaderBytes:     maxHeaderBytes,
			Logger:             withoutRequests(s.Logger),
			ConnContext: func(ctx context.Context, q *quic.Conn) context.Context {
				return context.WithValue(ctx, h3ConnKey{}, s.newH3Conn(q))
			},
		},
		ApplicationProtocols: s.Protocols,
		CheckOrigin:          func(*http.Request) bool { return true }, // request has checked it
	}
}

// ServeQUICConn serves a connection whose ALPN is h3. It blocks until the
// connection has ended. The connection's configuration must have
// EnableDatagrams and EnableStreamResetPartialDelivery set. After Close it
// closes q and returns net.ErrClosed.
func (s *Server) ServeQUICConn(q *quic.Conn) error {
	s.once.Do(s.initServer)
	if !s.conns.Begin() {
		_ = q.CloseWithError(codeNoError, "")
		return net.ErrClosed
	}
	defer s.conns.Done()
	err := s.webtransport.ServeQUICConn(q)
	if errors.Is(err, http.ErrServerClosed) {
		return net.ErrClosed
	}
	if err != nil {
		_ = q.CloseWithError(quic.ApplicationErrorCode(http3.ErrCodeInternalError), "")
		return fmt.Errorf("serve HTTP/3: %w", err)
	}
	return nil
}

// spawnServe calls f with c in a goroutine, or closes c if the server is closed.
func (s *Server) spawnServe(c *serverConn, f func(transport.Conn)) {
	if !s.conns.Begin() {
		_ = c.CloseWithError(0, "")
		return
	}
	go func() {
		defer s.conns.Done()
		if s.conns.Add(c) {
			serving.Serve(c, f, func(p any) { s.log("panic in serve", p) })
		}
	}()
}

// log reports what no caller learns.
func (s *Server) log(what string, detail any) {
	if s.Logger != nil {
		s.Logger.Error(what, "detail", detail)
	}
}

// Close closes all sessions with code 0, and their connections. It waits until
// the calls of serve have returned, for at most a second.
func (s *Server) Close() error {
	s.once.Do(s.initServer)
	s.conns.Close()
	s.requests.close()
	err := s.webtransport.Close()
	s.conns.Wait()
	return err
}
