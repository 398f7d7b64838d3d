package redial

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/cenkalti/backoff/v5"

	"github.com/moqlite/moqlite/api"
	"github.com/moqlite/moqlite/impl/internal/signal"
	"github.com/moqlite/moqlite/transport"
)

// New returns a dialer whose sessions reconnect: each dials by dialer again
// when it is lost. They are of type [*Session].
//
// Dial returns when there is a first session. Its URL is not used if the policy
// has a Source. It tries again while ctx lasts,
// unless the failure would come again: refused credentials, no version in
// common, an untrusted certificate, a URL that leads nowhere. mux is passed to
// each dial, so that its broadcasts are published again.
//
// If dialer is an [OptionsDialer], it is dialled with options. If dialer has a
// method Closed() <-chan struct{}, as those of package impl have, its sessions
// end at once when that channel is closed, even while they wait to dial again.
// If dialer has a method SessionLogger() *slog.Logger, as those of package impl
// have, that logger is used where the policy has none.
// If a session of dialer has a method AwaitServed(context.Context) error, as
// those of package impl have, it tells when a session that drains serves
// nothing any more.
//
// For tests with a mocked dialer: what is asked of its sessions besides the
// application's requests is told by package mocks, and apitest.Session answers
// it.
func New(dialer api.Dialer, policy Policy) api.Dialer {
	return &redialer{dialer, policy.withDefaults()}
}

// An OptionsDialer is an [api.Dialer] that can dial with options, as
// impl.Client can. Every session but the first is then dialled over a socket of
// its own, and a session that has fallen back to WebSocket is replaced by a
// dial without the fallback. A redirect to another origin is marked as one, so
// that no header with credentials is sent there. Another dialer chooses the
// sockets itself, a session that has fallen back stays in use, and what header
// is sent to which URL is up to it.
type OptionsDialer interface {
	api.Dialer

	// DialWith is Dial with options.
	DialWith(ctx context.Context, url string, mux *api.TrackMux, o transport.DialOptions) (api.Session, error)
}

type redialer struct {
	dialer api.Dialer
	policy Policy
}

// Dial implements [api.Dialer].
func (r *redialer) Dial(ctx context.Context, url string, mux *api.TrackMux) (api.Session, error) {
	s := newSession(r, url, mux)
	first, err := s.redial(ctx, []destination{{}}, false, newOutage(), s.wait)
	if err != nil {
		s.endSession(asSessionError(err))
		return nil, err
	}
	s.setCurrent(first)
	s.wg.Go(func() { s.keepConnected(first) })
	return s, nil
}

// A Session reconnects when it is lost. It ends by Terminate, when a redial
// fails for good, or when the policy gives it up. While it has no session
// beneath, requests wait for the next one, as long as their contexts last.
//
// State, Stats and GoneAway are those of the session beneath, or of the last
// one while there is none: an application need not watch GoneAway.
type Session struct {
	dialer  api.Dialer
	closed  <-chan struct{} // closed with the dialer; nil if it cannot tell
	policy  Policy
	home    string // the URL of Dial; Policy.Source goes before it
	mux     *api.TrackMux
	backoff *backoff.ExponentialBackOff // used by keep alone
	waits   bool                        // a redial was made at once, and no session has stood since; used by keep alone
	moves   moves                       // used by keep alone
	report  reporter

	ctx    context.Context
	cancel context.CancelCauseFunc
	wg     sync.WaitGroup // Add only before the end: with mu held, or from within

	mu      sync.Mutex
	current *link // nil while there is none that takes requests
	last    *link
	links   map[*link]struct{}
	changed signal.Notice             // current has changed
	read    map[api.BroadcastPath]int // how many tracks of each broadcast are read
}

var _ api.Session = (*Session)(nil)

func newSession(r *redialer, url string, mux *api.TrackMux) *Session {
	s := &Session{
		dialer:  r.dialer,
		policy:  r.policy,
		home:    url,
		mux:     mux,
		backoff: r.policy.newBackoff(),
		report:  reporter{changes: make(chan StateChange, 1)},
		links:   make(map[*link]struct{}),
		read:    make(map[api.BroadcastPath]int),
	}
	if c, ok := r.dialer.(interface{ Closed() <-chan struct{} }); ok {
		s.closed = c.Closed()
	}
	s.policy.Logger = r.logger()
	s.ctx, s.cancel = context.WithCancelCause(context.Background())
	return s
}

// Changes receives the changes of the session's status; if several come before
// one is received, only the newest. It is for one receiver, and is never
// closed; the last change is [Ended].
func (s *Session) Changes() <-chan StateChange { return s.report.changes }

// Context implements [api.Session].
func (s *Session) Context() context.Context { return s.ctx }

// Wait returns when the session has ended and nothing of it runs any more,
// including the hooks of [Policy.Trace]. A hook must not call it.
func (s *Session) Wait() {
	<-s.ctx.Done()
	s.wg.Wait()
	s.report.awaitHooks()
}

// Terminate implements [api.Session]. [Policy.Source], [Policy.Redirect] and
// [Policy.Lookup] must not call it, since it waits for them. It does not wait for the hooks of
// [Policy.Trace], which may call it.
func (s *Session) Terminate(code api.SessionErrorCode, reason string) error {
	s.endSession(&api.SessionError{Code: code, Reason: reason})
	s.mu.Lock()
	var links []*link
	for l := range s.links {
		links = append(links, l)
	}
	s.mu.Unlock()
	for _, l := range links {
		_ = l.session.Terminate(code, reason)
	}
	s.wg.Wait()
	return nil
}

// Close implements [api.Session]: see [Session.Terminate].
func (s *Session) Close() error { return s.Terminate(api.SessionNoError, "") }

// endSession ends the session, once.
func (s *Session) endSession(err *api.SessionError) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ctx.Err() != nil {
		return
	}
	s.cancel(err)
	s.report.sendStatus(Ended, err)
	if hook := s.policy.Trace.Ended; hook != nil {
		s.report.enqueueHook(func() { hook(err) })
	}
}

// spawn runs f in a goroutine that Terminate waits for. It reports false after
// the end.
func (s *Session) spawn(f func()) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ctx.Err() != nil {
		return false
	}
	s.wg.Go(f)
	return true
}

// setCurrent makes l the session beneath. It reports false after the end.
func (s *Session) setCurrent(l *link) bool {
	before, installed := s.install(l)
	if installed && before != nil {
		s.logFound(l, before)
	}
	return installed
}

// install is setCurrent, and returns the session before l, nil for the first.
func (s *Session) install(l *link) (before *link, installed bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ctx.Err() != nil {
		return nil, false
	}
	before = s.last
	s.current, s.last = l, l
	s.links[l] = struct{}{}
	s.changed.Tell()
	s.report.sendStatus(Connected, nil)
	if hook := s.policy.Trace.Connected; hook != nil {
		s.report.enqueueHook(func() { hook(l.session.State()) })
	}
	return before, true
}

// clearCurrent makes new requests wait for the session after l.
func (s *Session) clearCurrent(l *link) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.current == l {
		s.current = nil
		s.changed.Tell()
	}
}

// reportLost reports that l has ended, unless there is another session already.
func (s *Session) reportLost(l *link) {
	err := context.Cause(l.session.Context())
	if s.tellLost(err) {
		s.logLost(l, err)
	}
}

// tellLost tells the application that the session beneath has ended. It reports false if
// there is another already.
func (s *Session) tellLost(err error) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.current != nil || s.ctx.Err() != nil {
		return false
	}
	s.report.sendStatus(Connecting, err)
	if hook := s.policy.Trace.Lost; hook != nil {
		s.report.enqueueHook(func() { hook(err) })
	}
	return true
}

// removeLink drops a session that has ended.
func (s *Session) removeLink(l *link) {
	l.stopFollowing()
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.links, l)
}

// currentLink returns the session beneath, nil while there is none, and a
// channel that is closed when that changes.
func (s *Session) currentLink() (*link, <-chan struct{}) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.current, s.changed.Changed()
}

// awaitLink waits for a session beneath other than but.
func (s *Session) awaitLink(ctx context.Context, but *link) (*link, error) {
	for {
		l, changed := s.currentLink()
		if l != nil && l != but {
			return l, nil
		}
		select {
		case <-changed:
		case <-s.ctx.Done():
			return nil, context.Cause(s.ctx)
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
	}
}

// latestSession returns the session beneath, or the last one.
func (s *Session) latestSession() api.Session {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.last.session
}

// hasConnected reports whether there has been a session before.
func (s *Session) hasConnected() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.last != nil
}

// State implements [api.Session].
func (s *Session) State() api.SessionState { return s.latestSession().State() }

// Stats implements [api.Session].
func (s *Session) Stats() api.SessionStats { return s.latestSession().Stats() }

// GoneAway implements [api.Session].
func (s *Session) GoneAway() <-chan struct{} { return s.latestSession().GoneAway() }

// GoAway implements [api.Session].
func (s *Session) GoAway(uri string) error { return s.latestSession().GoAway(uri) }

// Probe implements [api.Session]. The reader ends with the session beneath.
func (s *Session) Probe(ctx context.Context) (api.BitrateReader, error) {
	return request(ctx, s, "probe", func(l *link) (api.BitrateReader, error) { return l.session.Probe(ctx) })
}

// request sends a request to the session beneath. If that ends, or its peer
// sends a GOAWAY, before it has answered, it asks the next one. If it refuses
// as going away without that, it is asked again after a while.
func request[T any](ctx context.Context, s *Session, operation string, ask func(*link) (T, error)) (T, error) {
	var zero T
	var but *link
	pause, until := s.policy.newBackoff(), time.Now().Add(s.policy.ResumeTimeout)
	for {
		l, err := s.awaitLink(ctx, but)
		if err != nil {
			return zero, fmt.Errorf("%s: %w", operation, err)
		}
		v, err := ask(l)
		switch {
		case err == nil, ctx.Err() != nil:
			return v, err
		case l.isEndError(err):
			but = l
		case !isGoAwayReset(err), time.Now().After(until):
			return v, err
		default:
			l.sleepWhileOpen(ctx, pause.NextBackOff())
		}
	}
}

// sleep waits, and reports false if ctx ends first.
func sleep(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// asSessionError returns err as the cause of a session's end.
func asSessionError(err error) *api.SessionError {
	if ended, ok := errors.AsType[*api.SessionError](err); ok {
		return ended
	}
	return &api.SessionError{Code: api.SessionInternal, Err: err}
}
