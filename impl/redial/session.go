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

// New returns a dialer whose sessions survive those of dialer. They are of type
// [*Session].
//
// Dial returns when there is a first session. It tries again as long as ctx
// lets it, unless the failure is one that would come again: refused
// credentials, no version in common, an untrusted certificate, a URL that
// leads nowhere. mux is passed to each dial, which makes its publications
// anew.
//
// A dialer that is an [OptionsDialer] is asked for more than Dial can say. A
// dialer that can be closed tells when by a method Closed() <-chan struct{}, as
// that of package impl does: its sessions then end at once, also while they wait
// to dial again. A session that is to be left when it has drained may tell when it
// serves its peer nothing any more, by a method AwaitServed(context.Context) error,
// as those of package impl do.
func New(dialer api.Dialer, policy Policy) api.Dialer {
	return &redialer{dialer, policy.withDefaults()}
}

// An OptionsDialer is an [api.Dialer] whose dials can be asked for something
// beside a session, as those of impl.Client can: every session but the first is
// dialled over a socket of its own, and one that has fallen back to WebSocket is
// left by a dial without a fallback. Beneath a dialer that is none, the first is
// done without, and a session that has fallen back stays.
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
	first, err := s.redial(ctx, []string{url}, false)
	if err != nil {
		s.end(asSessionError(err))
		return nil, err
	}
	s.install(first)
	s.wg.Go(func() { s.keep(first) })
	return s, nil
}

// A Session lasts: it ends by Terminate, when a redial fails for good, or when
// the policy gives it up. What is asked while there is no session beneath waits
// for the next one, as long as its context lets it.
//
// State, Stats and GoneAway are those of the session beneath, the last one
// while there is none: an application need not heed GoneAway.
type Session struct {
	dialer  api.Dialer
	closed  <-chan struct{} // when dialer cannot dial any more; nil: nobody tells
	policy  Policy
	home    string // what was dialled
	mux     *api.TrackMux
	backoff *backoff.ExponentialBackOff // the keeper's own
	moves   moves                       // the keeper's own
	report  reporter

	ctx    context.Context
	cancel context.CancelCauseFunc
	wg     sync.WaitGroup // with mu, or from within: Add only before the end

	mu      sync.Mutex
	current *link // nil while there is none that takes requests
	last    *link
	links   map[*link]struct{}
	changed signal.Notice // of current
}

var _ api.Session = (*Session)(nil)

func newSession(r *redialer, url string, mux *api.TrackMux) *Session {
	s := &Session{
		dialer:  r.dialer,
		policy:  r.policy,
		home:    url,
		mux:     mux,
		backoff: r.policy.pause(),
		report:  reporter{changes: make(chan StateChange, 1)},
		links:   make(map[*link]struct{}),
	}
	if c, ok := r.dialer.(interface{ Closed() <-chan struct{} }); ok {
		s.closed = c.Closed()
	}
	s.ctx, s.cancel = context.WithCancelCause(context.Background())
	return s
}

// Changes receives what becomes of the session: the newest change, where none
// was received in between. It is for one receiver, and is never closed; the
// last change is [Ended].
func (s *Session) Changes() <-chan StateChange { return s.report.changes }

// Context implements [api.Session].
func (s *Session) Context() context.Context { return s.ctx }

// Wait returns when the session has ended and nothing of it runs any more, its
// hooks ([Policy.Trace]) included. It must not be called by one of these.
func (s *Session) Wait() {
	<-s.ctx.Done()
	s.wg.Wait()
	s.report.wait()
}

// Terminate implements [api.Session]. It must not be called by what the policy
// has to decide, [Policy.Redirect] and [Policy.Lookup], for which it waits. It
// does not wait for the hooks of [Policy.Trace], which may call it.
func (s *Session) Terminate(code api.SessionErrorCode, reason string) error {
	s.end(&api.SessionError{Code: code, Reason: reason})
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

// end ends the session, once.
func (s *Session) end(err *api.SessionError) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ctx.Err() != nil {
		return
	}
	s.cancel(err)
	s.report.status(Ended, err)
	if hook := s.policy.Trace.Ended; hook != nil {
		s.report.hook(func() { hook(err) })
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

// install makes l the session beneath. It reports false when there is to be
// none any more.
func (s *Session) install(l *link) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ctx.Err() != nil {
		return false
	}
	s.current, s.last = l, l
	s.links[l] = struct{}{}
	s.changed.Tell()
	s.report.status(Connected, nil)
	if hook := s.policy.Trace.Connected; hook != nil {
		s.report.hook(func() { hook(l.session.State()) })
	}
	return true
}

// withdraw has new requests wait for the session after l.
func (s *Session) withdraw(l *link) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.current == l {
		s.current = nil
		s.changed.Tell()
	}
}

// lost tells that l has ended, unless there is another already.
func (s *Session) lost(l *link) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.current != nil || s.ctx.Err() != nil {
		return
	}
	err := context.Cause(l.session.Context())
	s.report.status(Connecting, err)
	if hook := s.policy.Trace.Lost; hook != nil {
		s.report.hook(func() { hook(err) })
	}
}

// forget drops a session that has ended.
func (s *Session) forget(l *link) {
	l.close()
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.links, l)
}

// now returns the session beneath, nil while there is none, and what is closed
// when that changes.
func (s *Session) now() (*link, <-chan struct{}) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.current, s.changed.Changed()
}

// next waits for a session beneath that is not but.
func (s *Session) next(ctx context.Context, but *link) (*link, error) {
	for {
		l, changed := s.now()
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

// latest is the session beneath, or the last there was.
func (s *Session) latest() api.Session {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.last.session
}

// again tells whether there has been a session before.
func (s *Session) again() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.last != nil
}

// State implements [api.Session].
func (s *Session) State() api.SessionState { return s.latest().State() }

// Stats implements [api.Session].
func (s *Session) Stats() api.SessionStats { return s.latest().Stats() }

// GoneAway implements [api.Session].
func (s *Session) GoneAway() <-chan struct{} { return s.latest().GoneAway() }

// GoAway implements [api.Session].
func (s *Session) GoAway(uri string) error { return s.latest().GoAway(uri) }

// Probe implements [api.Session]. The reader ends with the session beneath.
func (s *Session) Probe(ctx context.Context) (api.BitrateReader, error) {
	return request(ctx, s, "probe", func(l *link) (api.BitrateReader, error) { return l.session.Probe(ctx) })
}

// TrackInfo implements [api.Subscriber].
func (s *Session) TrackInfo(ctx context.Context, path api.BroadcastPath, name api.TrackName) (api.TrackInfo, error) {
	return request(ctx, s, "track info", func(l *link) (api.TrackInfo, error) { return l.session.TrackInfo(ctx, path, name) })
}

// Fetch implements [api.Subscriber]. The group ends with the session beneath.
func (s *Session) Fetch(ctx context.Context, req api.FetchRequest) (api.GroupReader, error) {
	return request(ctx, s, "fetch", func(l *link) (api.GroupReader, error) {
		l.hold()
		g, err := l.session.Fetch(ctx, req)
		if err != nil {
			l.release()
			return nil, err
		}
		return newGroup(g, 0, func(_ *group, err error) error { l.release(); return err }), nil
	})
}

// request asks the session beneath, and the next one where that one ends or its
// peer says that it goes away before it has answered. One that refuses as going
// away without that is asked again.
func request[T any](ctx context.Context, s *Session, operation string, ask func(*link) (T, error)) (T, error) {
	var zero T
	var but *link
	pause, until := s.policy.pause(), time.Now().Add(s.policy.ResumeTimeout)
	for {
		l, err := s.next(ctx, but)
		if err != nil {
			return zero, fmt.Errorf("%s: %w", operation, err)
		}
		v, err := ask(l)
		switch {
		case err == nil, ctx.Err() != nil:
			return v, err
		case l.over(err):
			but = l
		case !goingAway(err), time.Now().After(until):
			return v, err
		default:
			l.sleep(ctx, pause.NextBackOff())
		}
	}
}

// sleep waits, and reports false when ctx ends first.
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

// asSessionError is err as the cause of a session's end.
func asSessionError(err error) *api.SessionError {
	if ended, ok := errors.AsType[*api.SessionError](err); ok {
		return ended
	}
	return &api.SessionError{Code: api.SessionInternal, Err: err}
}
