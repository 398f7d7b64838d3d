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
	session    api.Session
	url        string // what was dialled
	home       string // the URL of home at that time, which differs from url after a redirect
	began      time.Time
	moved      bool              // it was dialled to replace another one that still stood
	outage     outage            // at the end of which it was dialled
	spawn      func(func()) bool // of the Session
	newBackoff func() *backoff.ExponentialBackOff

	ctx    context.Context // ends the goroutines that follow the session here
	cancel context.CancelFunc

	mu      sync.Mutex
	uses    int         // feeds, and fetched groups that are being read
	unused  signal.Wake // uses has become 0
	origins map[api.BroadcastPath]*originWatch
}

func newLink(s *Session, under api.Session, url, home string) *link {
	l := &link{
		session:    under,
		url:        url,
		home:       home,
		began:      time.Now(),
		spawn:      s.spawn,
		newBackoff: s.policy.newBackoff,
		unused:     signal.NewWake(),
		origins:    make(map[api.BroadcastPath]*originWatch),
	}
	l.ctx, l.cancel = context.WithCancel(context.Background())
	return l
}

// stopFollowing stops what follows the session; the session itself is not closed.
func (l *link) stopFollowing() { l.cancel() }

// isEnded reports whether the session has ended.
func (l *link) isEnded() bool { return l.session.Context().Err() != nil }

// isGoingAway reports whether the session's peer wants us to go.
func (l *link) isGoingAway() bool {
	select {
	case <-l.session.GoneAway():
		return true
	default:
		return false
	}
}

// isEndError reports whether err is due to the end of the session, or to a peer
// that wants us to go, so that the next session may do better. A request that
// was refused as going away does not show that: a relay may pass on the code of
// its own peer.
func (l *link) isEndError(err error) bool {
	return l.isEnded() || l.isGoingAway() || isA[*api.SessionError](err)
}

// isReplaced reports whether the session is over, or another has replaced it.
func (l *link) isReplaced() bool { return l.ctx.Err() != nil || l.isEndError(nil) }

// isGoAwayReset reports whether a peer has reset a request because it is about to
// end, or because a session of its own is. It may have another one soon.
func isGoAwayReset(err error) bool {
	reset, ok := errors.AsType[*api.StreamError](err)
	if !ok || !reset.Remote {
		return false
	}
	return reset.Code == api.StreamGoingAway || reset.Code == api.StreamSessionClosed
}

// endsSoon reports whether the session ends in a moment, or its peer wants us to
// go.
func (l *link) endsSoon(ctx context.Context) bool {
	ctx, cancel := context.WithTimeout(ctx, endsSoonWithin)
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

// sleepWhileOpen waits, at most until the session ends or its peer wants us to go.
func (l *link) sleepWhileOpen(ctx context.Context, d time.Duration) {
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

// addUse keeps the session open while it drains, until removeUse is called.
func (l *link) addUse() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.uses++
}

func (l *link) removeUse() {
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
	for l.inUse() {
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

func (l *link) inUse() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.uses > 0
}
