package redial

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/moqlite/moqlite/api"
)

// fading is how long before its end, or its peer's wish to leave, what happens
// on a session is taken for a part of that.
const fading = 500 * time.Millisecond

// A link is one session beneath a [Session].
type link struct {
	session api.Session
	url     string
	began   time.Time
	moved   bool              // it was dialled because another one's peer wanted us to go
	spawn   func(func()) bool // of the Session

	ctx    context.Context // of what follows the session here
	cancel context.CancelFunc

	mu      sync.Mutex
	uses    int           // subscriptions and groups that are read
	unused  chan struct{} // buffered 1: uses has become 0
	origins map[api.BroadcastPath]*origin
}

func newLink(s *Session, under api.Session, url string) *link {
	l := &link{
		session: under,
		url:     url,
		began:   time.Now(),
		spawn:   s.spawn,
		unused:  make(chan struct{}, 1),
		origins: make(map[api.BroadcastPath]*origin),
	}
	l.ctx, l.cancel = context.WithCancel(context.Background())
	return l
}

// close ends what follows the session; the session itself is not touched.
func (l *link) close() { l.cancel() }

// ended tells whether the session has.
func (l *link) ended() bool { return l.session.Context().Err() != nil }

// leaving tells whether the session's peer wants us to go.
func (l *link) leaving() bool {
	select {
	case <-l.session.GoneAway():
		return true
	default:
		return false
	}
}

// over tells whether err comes of the session's end, so that the next session
// may do better. A peer may refuse what it is asked as going away before it has
// said so, or where its version has no word for it.
func (l *link) over(err error) bool {
	var refused *api.StreamError
	switch {
	case l.ended(), l.leaving(), errors.As(err, new(*api.SessionError)):
		return true
	default:
		return errors.As(err, &refused) && refused.Remote && refused.Code == api.StreamGoingAway
	}
}

// fades tells whether the session ends in a moment, or its peer wants us to go.
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

// withdraws tells whether the session fades, or what o follows over it is
// withdrawn in a moment.
func (l *link) withdraws(ctx context.Context, o *origin) (fades, gone bool) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	ends := make(chan bool, 1)
	go func() {
		defer cancel()
		ends <- l.fades(ctx)
	}()
	gone = o.gone(ctx)
	cancel()
	return <-ends, gone
}

// hold keeps the session open, should it drain, until release.
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
		select {
		case l.unused <- struct{}{}:
		default:
		}
	}
}

func (l *link) used() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.uses > 0
}
