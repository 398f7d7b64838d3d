package impl

import (
	"context"
	"errors"
	"sync/atomic"

	"github.com/moqlite/moqlite/api"
	"github.com/moqlite/moqlite/impl/internal/session"
	"github.com/moqlite/moqlite/transport"
)

// acceptWebTransport accepts every session over WebTransport: it is admitted once
// it has begun. A browser would not learn why its request was refused, but is told
// the code with which a session is closed.
func (s *Server) acceptWebTransport(_ context.Context, state transport.State) (func(transport.Conn), error) {
	return s.serveRequest(session.Options{Header: state.Header}), nil
}

// acceptWebSocket decides on a session over WebSocket, before the request is
// answered. It does not wait for Admit once the server closes, so that Admit may
// close it.
func (s *Server) acceptWebSocket(request context.Context, state transport.State) (func(transport.Conn), error) {
	if s.from.full(state.Remote, s.sessionsPerAddress()) {
		s.sessions.countRefused()
		return tooMany, nil
	}
	if s.Admit == nil {
		return s.serveRequest(session.Options{}), nil
	}
	ctx, end, ok := s.sessions.beginOpening(request, api.ErrServerClosed)
	if !ok {
		s.sessions.countRefused()
		return nil, transport.ErrUnavailable
	}
	defer end()
	id := session.NewID()
	g, err := session.Ask(ctx, orDiscard(s.Logger), s.admit, session.Question(state, id))
	if err == nil {
		return s.serveGranted(request, session.Options{ID: id, Grant: &g}), nil
	}
	s.sessions.countRefused()
	switch {
	case errors.Is(err, api.ErrUnauthorized):
		return nil, errors.Join(transport.ErrUnauthorized, err)
	default:
		return nil, errors.Join(transport.ErrUnavailable, err)
	}
}

// admit asks Admit, and has Close wait for the Ended of the grant.
func (s *Server) admit(ctx context.Context, r api.AdmitRequest) (api.Grant, error) {
	g, err := s.Admit(ctx, r)
	if err == nil {
		s.sessions.endings.watch(&g)
	}
	return g, err
}

// serveGranted is serveRequest for a request that a grant was given for. The grant is
// told if no connection comes of the request before that ends.
func (s *Server) serveGranted(request context.Context, o session.Options) func(transport.Conn) {
	var begun atomic.Bool
	context.AfterFunc(request, func() {
		if !begun.Load() {
			session.Abandon(orDiscard(s.Logger), o.Grant, "no connection")
		}
	})
	serve := s.serveRequest(o)
	return func(conn transport.Conn) { begun.Store(true); serve(conn) }
}

// serveRequest returns a function that serves the connection of a request as long
// as the session lasts.
func (s *Server) serveRequest(o session.Options) func(transport.Conn) {
	return func(conn transport.Conn) {
		if ss := s.serveConn(conn, o); ss != nil {
			ss.Wait()
		}
	}
}
