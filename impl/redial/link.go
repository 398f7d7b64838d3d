package redial

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/cenkalti/backoff/v5"

	"github.com/moqlite/moqlite/api"
	"github.com/moqlite/moqlite/impl/internal/signal"
)

// A link is one session beneath a [Session].
type link struct {
	session api.Session
	url     string
	began   time.Time
	moved   bool              // it was dialled to replace another one that still stood
	spawn   func(func()) bool // of the Session
	pause   func() *backoff.ExponentialBackOff

	ctx    context.Context // ends the goroutines that follow the session here
	cancel context.CancelFunc

	mu      sync.Mutex
	uses    int         // subscriptions and groups being read
	unused  signal.Wake // uses has become 0
	origins map[api.BroadcastPath]*origin
}

func newLink(s *Session, under api.Session, url string) *link {
	l := &link{
		session: under,
		url:     url,
		began:   time.Now(),
		spawn:   s.spawn,
		pause:   s.policy.pause,
		unused:  signal.NewWake(),
		origins: make(map[api.BroadcastPath]*origin),
	}
	l.ctx, l.cancel = context.WithCancel(context.Background())
	return l
}

// close stops what follows the session; the session itself is not closed.
func (l *link) close() { l.cancel() }

// ended reports whether the session has ended.
func (l *link) ended() bool { return l.session.Context().Err() != nil }

// leaving reports whether the session's peer wants us to go.
func (l *link) leaving() bool {
	select {
	case <-l.session.GoneAway():
		return true
	default:
		return false
	}
}

// over reports whether err is due to the end of the session, or to a peer that
// wants us to go, so that the next session may do better. A request that was
// refused as going away does not show that: a relay may pass on the code of its
// own peer.
func (l *link) over(err error) bool {
	return l.ended() || l.leaving() || isA[*api.SessionError](err)
}

// left reports whether the session is over, or another has replaced it.
func (l *link) left() bool { return l.ctx.Err() != nil || l.over(nil) }

// goingAway reports whether a peer has reset a request because it is about to
// end, or because a session of its own is. It may have another one soon.
func goingAway(err error) bool {
	reset, ok := errors.AsType[*api.StreamError](err)
	if !ok || !reset.Remote {
		return false
	}
	return reset.Code == api.StreamGoingAway || reset.Code == api.StreamSessionClosed
}

// fades reports whether the session ends in a moment, or its peer wants us to
// go.
func (l *link) fades(ctx context.Context) bool {
	ctx, cancel := context.WithTimeout(ctx, fading)
	defer cancel()
	select {
	case <-l.session.Context().Done():
		return true
	case <-l.session.GoneAway():
		return true
	case <-ctx.Done():
		return false
	}
}

// sleep waits, at most until the session ends or its peer wants us to go.
func (l *link) sleep(ctx context.Context, d time.Duration) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(l.session.Context(), cancel)()
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-l.session.GoneAway():
	case <-ctx.Done():
	}
}

// hold keeps the session open while it drains, until release is called.
func (l *link) hold() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.uses++
}

func (l *link) release() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.uses--
	if l.uses == 0 {
		l.unused.Wake()
	}
}

// awaitIdle waits until nothing is read or served over the session. It reports
// false if the session or ctx ends first. A session tells by AwaitServed when
// it serves nothing any more; one without that method, from a dialer that wraps
// another, is polled.
func (l *link) awaitIdle(ctx context.Context) bool {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(l.session.Context(), cancel)()
	for l.used() {
		select {
		case <-l.unused:
		case <-ctx.Done():
			return false
		}
	}
	if s, ok := l.session.(interface{ AwaitServed(context.Context) error }); ok {
		return s.AwaitServed(ctx) == nil
	}
	for stats := l.session.Stats(); stats.Publications > 0 || stats.GroupsWriting > 0; stats = l.session.Stats() {
		if !sleep(ctx, drainPoll) {
			return false
		}
	}
	return true
}

func (l *link) used() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.uses > 0
}
