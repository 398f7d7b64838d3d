package session

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"strings"
	"sync/atomic"
	"time"

	"github.com/moqlite/moqlite/api"
	"github.com/moqlite/moqlite/impl/internal/control"
	"github.com/moqlite/moqlite/transport"
)

// A session serves its peer when it is ready: at once, or when the application has
// admitted the peer. Until then the peer's requests are accepted and read, and their
// handlers wait.

// admitWithin bounds the question whether to admit a session.
const admitWithin = 10 * time.Second

var errSlowAdmit = fmt.Errorf("%w: no answer within %v", api.ErrUnavailable, admitWithin)

// An Admit decides on a session: see impl.Server.Admit.
type Admit func(ctx context.Context, r api.AdmitRequest) (api.Grant, error)

// Question returns what is asked about a session before it exists: id will be that of the
// session.
func Question(conn transport.State, id string) api.AdmitRequest {
	state := State(conn)
	state.ID = id
	if conn.URL != nil {
		state.Root = rootOf(conn.URL.EscapedPath())
	}
	return newQuestion(state, conn)
}

// newQuestion returns what is asked about a session in a state.
func newQuestion(state api.SessionState, conn transport.State) api.AdmitRequest {
	return api.AdmitRequest{State: state, Host: requestedHost(conn), Header: conn.Header, Token: api.QueryToken(state.URL.RawQuery)}
}

// requestedHost returns the name that a client has asked for.
func requestedHost(conn transport.State) string {
	switch {
	case conn.TLS != nil && conn.TLS.ServerName != "":
		return strings.ToLower(conn.TLS.ServerName)
	case conn.URL == nil:
		return ""
	}
	if host, _, err := net.SplitHostPort(conn.URL.Host); err == nil {
		return strings.ToLower(host)
	}
	return strings.ToLower(conn.URL.Host)
}

// Ask asks whether to admit a session, and returns a grant that can be applied. Otherwise
// the error matches [api.ErrUnauthorized] if the session is refused, or
// [api.ErrUnavailable] if there is no answer that counts; it is logged, and a grant that
// is not applied is told so ([Abandon]).
func Ask(ctx context.Context, logger *slog.Logger, admit Admit, r api.AdmitRequest) (api.Grant, error) {
	lines := &Log{to: logger, id: r.State.ID}
	g, err := askWithin(ctx, lines, admit, r)
	if err == nil {
		if err = applicable(&g, &r.State); err == nil {
			return g, nil
		}
		Abandon(lines, &g, abandonedFor(err))
	}
	level, what := slog.LevelInfo, "session refused"
	if !errors.Is(err, api.ErrUnauthorized) {
		level, what = slog.LevelWarn, "session not admitted: there is no answer that counts"
		if !errors.Is(err, api.ErrUnavailable) {
			err = fmt.Errorf("%w: %w", api.ErrUnavailable, err)
		}
	}
	if to := lines.At(level); to != nil && ctx.Err() == nil { // else nobody is there any more
		to.Log(ctx, level, what, "remote", Address(r.State.Remote), "root", string(r.State.Root), "error", err)
	}
	return api.Grant{}, err
}

// abandonedFor returns the reason of the end of a grant that is not applied.
func abandonedFor(err error) string {
	if errors.Is(err, api.ErrUnauthorized) {
		return refusedReason
	}
	return invalidReason
}

// askWithin calls admit, and waits for its answer within a time. A grant that comes
// later is abandoned.
func askWithin(ctx context.Context, logger control.Logger, admit Admit, r api.AdmitRequest) (api.Grant, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, admitWithin, errSlowAdmit)
	defer cancel()
	var (
		g       api.Grant
		failed  error
		settled atomic.Bool // by the answer, or by the end of waiting for it
	)
	_, err := control.Ask(ctx, logger, "Admit", func() (struct{}, error) {
		g, failed = admit(ctx, r)
		if settled.Swap(true) && failed == nil {
			Abandon(logger, &g, "too late")
		}
		return struct{}{}, nil
	})
	if settled.Swap(true) {
		return g, failed
	}
	return api.Grant{}, err // it has panicked, or is waited for no longer
}

// applicable returns why a grant refuses the session that it was given for, or cannot be
// applied to it.
func applicable(g *api.Grant, state *api.SessionState) error {
	root := grantedRoot(g, state.Root)
	switch {
	case g.Empty():
		return fmt.Errorf("%w: nothing is granted", api.ErrUnauthorized)
	case strings.Contains(string(root), "*"):
		return fmt.Errorf("%w: the root %s contains *", api.ErrUnauthorized, quoted(root))
	case state.Peer.Role == api.RolePublisher && len(g.Publish) == 0:
		return fmt.Errorf("%w: the client means to publish, and may not", api.ErrUnauthorized)
	case state.Peer.Role == api.RoleSubscriber && len(g.Subscribe) == 0:
		return fmt.Errorf("%w: the client means to subscribe, and may not", api.ErrUnauthorized)
	}
	if err := g.Validate(); err != nil {
		return err
	}
	if !g.Expires.IsZero() && !g.Expires.After(time.Now()) {
		return fmt.Errorf("%w: it has expired at %v", api.ErrInvalidGrant, g.Expires)
	}
	return nil
}

// grantedRoot returns where a session stands that was dialled at a path.
func grantedRoot(g *api.Grant, dialled api.BroadcastPath) api.BroadcastPath {
	if g.Root == "" {
		return dialled
	}
	return g.Root.Clean()
}

// Ready waits until the session may serve its peer.
func (s *Session) Ready(ctx context.Context) error { return s.life.await(ctx, &s.ready) }

// IsReady reports whether Ready would return nil at once.
func (s *Session) IsReady() bool { return s.ready.Happened() }

// beginServing begins to serve the peer and sends our SETUP. SETUP is not sent earlier, so
// that a peer that waits for it gets a refusal instead.
func (s *Session) beginServing(o *Options) {
	s.logBegin() // its end, at which ready is asked, is logged later
	s.ready.Happen()
	if s.version.Setup {
		s.life.spawn(func() { sendSetup(s.version, o, s.conn) })
	}
}

// admitPeer asks whether to admit the peer, when it is known what it has dialled and what
// it means to do: after its SETUP, in versions that have one.
func (s *Session) admitPeer(o *Options) {
	if _, err := s.peer.awaitSetup(s.Context()); err != nil {
		return
	}
	conn := s.conn.State()
	conn.Header = o.Header
	g, err := Ask(s.Context(), o.Logger, o.Admit, newQuestion(s.State(), conn))
	if err == nil {
		s.apply(&g)
	}
	switch {
	case s.life.isOver():
	case err == nil:
		s.beginServing(o)
	case errors.Is(err, api.ErrUnauthorized):
		s.fail(api.SessionUnauthorized, "unauthorized")
	default:
		s.fail(api.SessionUnavailable, unavailableReason)
	}
}

// unavailableReason is what a moq-relay says.
const unavailableReason = "app code=502"

// apply makes the session what a grant says. It is called before the peer is served.
func (s *Session) apply(g *api.Grant) {
	if g.Mux != nil {
		s.opts.Mux = g.Mux
	}
	dialled, root := s.peer.standAt(g)
	s.permit.Store(&permit{*g, root})
	if held := *g; !held.Expires.IsZero() || held.Recheck != nil {
		s.life.spawn(func() { s.holdGrant(held, dialled) })
	}
	s.tellEnd() // if it has ended already
}
