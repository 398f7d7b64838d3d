package impl

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"

	"github.com/moqlite/moqlite/api"
	"github.com/moqlite/moqlite/impl/internal/control"
	"github.com/moqlite/moqlite/impl/internal/session"
	"github.com/moqlite/moqlite/transport"
)

// ServeConn makes a session on a connection from elsewhere: a listener of your own, or
// memory. The server takes ownership of c, need not listen, and treats the session as its
// others. ServeConn returns when the session has ended: nil if an end has closed it with
// [api.SessionNoError], and its [*api.SessionError] otherwise, as when Admit has refused
// it. When ctx ends, so does the session, and the error is ctx's cause. After Shutdown or
// Close, c is closed and the error [api.ErrServerClosed]. A protocol that is no version
// of moq-lite is [api.ErrUnsupportedVersion].
func (s *Server) ServeConn(ctx context.Context, c transport.Conn) error {
	if err := errors.Join(s.Config.Validate(), s.checkLimits()); err != nil {
		_ = c.CloseWithError(uint64(api.SessionInternal), "")
		return fmt.Errorf("serve: %w", err)
	}
	ss, err := s.beginSession(c, session.Options{})
	if err != nil {
		return err
	}
	stop := context.AfterFunc(ctx, func() { _ = ss.Terminate(api.SessionNoError, "") })
	s.announce(ss)
	ss.Wait()
	if !stop() {
		return context.Cause(ctx)
	}
	if ended, ok := errors.AsType[*api.SessionError](context.Cause(ss.Context())); ok && ended.Code != api.SessionNoError {
		return ended
	}
	return nil
}

// serveConn makes a session of a connection, and passes it to Handler once it is
// admitted. It returns nil if there is no session.
func (s *Server) serveConn(conn transport.Conn, o session.Options) *session.Session {
	ss, err := s.beginSession(conn, o)
	if err != nil {
		return nil
	}
	s.announce(ss)
	return ss
}

// beginSession makes a session of a connection, which it closes if that fails.
func (s *Server) beginSession(conn transport.Conn, o session.Options) (*session.Session, error) {
	_, end, ok := s.sessions.beginOpening(context.Background(), api.ErrServerClosed)
	if !ok {
		s.refuseClosing(conn)
		session.Abandon(orDiscard(s.Logger), o.Grant, "going away")
		return nil, api.ErrServerClosed
	}
	defer end()
	o.Mux = s.mux()
	if s.Admit != nil {
		o.Admit = s.admit
	}
	o.Config, o.Hop, o.Logger, o.Unread = s.Config, s.identity.hop(s.Config), orDiscard(s.Logger), s.unread()
	o.ID = cmp.Or(o.ID, session.NewID()) // a refusal has one too
	ss, err := s.newSession(conn, o)
	if err != nil {
		s.countRefused(o.ID, conn.State().Remote, err)
		return nil, err
	}
	return ss, nil
}

// refused counts and logs a client that was refused by the transport, before there was
// anything to decide on.
func (s *Server) refused(remote net.Addr, why error) { s.countRefused(session.NewID(), remote, why) }

// countRefused counts and logs a session that has not begun.
func (s *Server) countRefused(id string, remote net.Addr, why error) {
	s.sessions.countRefused()
	orDiscard(s.Logger).Info("session refused", "session", id, "remote", session.Address(remote), "error", why)
}

// refuseClosing closes a connection that has come too late.
func (s *Server) refuseClosing(conn transport.Conn) {
	s.sessions.countRefused()
	_ = conn.CloseWithError(uint64(api.SessionNoError), "going away")
}

// newSession makes a session of a connection, if its address has room for one, and
// registers it.
func (s *Server) newSession(conn transport.Conn, o session.Options) (*session.Session, error) {
	leave, ok := s.from.enter(conn.State().Remote, s.sessionsPerAddress())
	if !ok {
		tooMany(conn)
		session.Abandon(o.Logger, o.Grant, errTooManySessions.Error())
		return nil, errTooManySessions
	}
	ss, err := session.New(conn, o)
	if err == nil && !s.sessions.addSession(ss, leave) {
		_ = ss.Terminate(api.SessionNoError, "going away")
		err = api.ErrServerClosed
	}
	if err != nil {
		leave()
		return nil, err
	}
	return ss, nil
}

// announce passes a session to Handler once it is admitted.
func (s *Server) announce(ss *session.Session) {
	if !s.sessions.awaitAdmission(ss) {
		return
	}
	if s.Handler != nil {
		control.Call(ss.Log(), "Handler", func() { s.Handler(ss) }, nil)
	}
}
