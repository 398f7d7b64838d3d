package wtconn

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/quic-go/quic-go"
	"github.com/quic-go/quic-go/http3"
	"github.com/quic-go/webtransport-go"

	"github.com/moqlite/moqlite/transport"
)

const (
	// sessionTimeout is how long a connection may go without a session.
	sessionTimeout = 30 * time.Second

	// closeTimeout bounds how long Close waits for others.
	closeTimeout = time.Second
)

// A Server serves WebTransport sessions, one on each connection. Its fields
// must not change once it serves.
type Server struct {
	// Protocols are the moq-lite versions to speak, the most wanted first: it
	// is this order that decides.
	Protocols []string

	// Origins are the web pages that may connect, as scheme://host[:port].
	// Who sends no Origin is no web page. Nil: any.
	Origins []string

	// Accept lets a session in or not, before the client is answered. The
	// state has the version, and the URL with path and query; ctx ends with
	// the request. serve is called in a goroutine of its own with the session's
	// connection, which is serve's to close; not at all if the client has left or
	// the server was closed meanwhile. Errors that match
	// transport.ErrUnauthorized or transport.ErrNotFound are answered with 401
	// and 404, others with 500. Required.
	Accept func(ctx context.Context, s transport.State) (serve func(transport.Conn), err error)

	// Handler answers requests that are not for WebTransport; nil: 404.
	Handler http.Handler

	// Logger is told of panics in Accept, serve and Handler, and of what goes
	// wrong with requests; nil: silence.
	Logger *slog.Logger

	once         sync.Once
	webtransport *webtransport.Server

	mu     sync.Mutex
	conns  map[*serverConn]struct{}
	closed bool
	wg     sync.WaitGroup // calls of ServeQUICConn and of serve
}

// A visit is a QUIC connection at the server.
type visit struct {
	quic    *quic.Conn
	session atomic.Bool // there is one, or was, or is being decided on
	timer   *time.Timer
}

type visitKey struct{}

// newVisit gives q some time to become a session.
func newVisit(q *quic.Conn) *visit {
	v := &visit{quic: q}
	v.timer = time.AfterFunc(sessionTimeout, func() {
		if !v.session.Load() {
			_ = q.CloseWithError(codeNoError, "")
		}
	})
	context.AfterFunc(q.Context(), func() { v.timer.Stop() })
	return v
}

// refused lets the client ask once more.
func (v *visit) refused() {
	v.session.Store(false)
	v.timer.Reset(sessionTimeout)
}

// init sets up the libraries.
func (s *Server) init() {
	logger := s.Logger
	if logger == nil {
		logger = slog.New(slog.DiscardHandler)
	}
	s.webtransport = &webtransport.Server{
		H3: &http3.Server{
			Handler:            http.HandlerFunc(s.serveHTTP),
			AdditionalSettings: map[uint64]uint64{settingDraft07: 1},
			MaxHeaderBytes:     maxHeaderBytes,
			Logger:             logger,
			ConnContext: func(ctx context.Context, q *quic.Conn) context.Context {
				return context.WithValue(ctx, visitKey{}, newVisit(q))
			},
		},
		ApplicationProtocols: s.Protocols,
		CheckOrigin:          func(*http.Request) bool { return true }, // done before
	}
	s.conns = make(map[*serverConn]struct{})
}

// ServeQUICConn serves a connection whose ALPN is h3, and returns when it has
// ended. Datagrams and EnableStreamResetPartialDelivery must be on.
func (s *Server) ServeQUICConn(q *quic.Conn) error {
	s.once.Do(s.init)
	if !s.enter() {
		_ = q.CloseWithError(codeNoError, "")
		return net.ErrClosed
	}
	defer s.wg.Done()
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

// enter counts a call that Close waits for; false after Close.
func (s *Server) enter() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return false
	}
	s.wg.Add(1)
	return true
}

// serve has f serve c, unless the server is closed.
func (s *Server) serve(c *serverConn, f func(transport.Conn)) {
	s.mu.Lock()
	closed := s.closed
	if !closed {
		s.conns[c] = struct{}{}
		s.wg.Add(1)
	}
	s.mu.Unlock()
	if closed {
		_ = c.CloseWithError(0, "")
		return
	}
	context.AfterFunc(c.Context(), func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		delete(s.conns, c)
	})
	go func() {
		defer s.wg.Done()
		defer func() {
			if p := recover(); p != nil {
				s.log("panic in serve", p)
				_ = c.CloseWithError(codeInternal, "internal error")
			}
		}()
		f(c)
	}()
}

// codeInternal is moq-lite's session code for a failure on this side.
const codeInternal = 1

func (s *Server) log(what string, detail any) {
	if s.Logger != nil {
		s.Logger.Error(what, "detail", detail)
	}
}

// Close ends all sessions with code 0 and all connections, and waits for what
// serves them, but for no longer than a second.
func (s *Server) Close() error {
	s.once.Do(s.init)
	s.mu.Lock()
	s.closed = true
	conns := make([]*serverConn, 0, len(s.conns))
	for c := range s.conns {
		conns = append(conns, c)
	}
	s.mu.Unlock()

	var closing sync.WaitGroup
	for _, c := range slices.Clip(conns) {
		closing.Go(func() { _ = c.CloseWithError(0, "") })
	}
	closing.Wait()
	err := s.webtransport.Close()

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
	return err
}
