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

// An originWatch follows which publisher has the broadcast of a path, as one
// session announces it, while somebody reads the broadcast over that session.
// If its announcement stream breaks off, it asks for another.
type originWatch struct {
	path   api.BroadcastPath
	link   *link
	users  int // guarded by the link's lock
	cancel context.CancelFunc

	mu      sync.Mutex
	state   announcedState
	changed signal.Notice // state has changed
}

// An announcedState is what a session announces of a broadcast.
type announcedState struct {
	presence presence
	hop      api.Hop   // the publisher, or the last one; 0 is unknown
	life     int       // how many times it was announced anew
	at       time.Time // when it was announced anew last
}

// A presence is what is known of a broadcast.
type presence int

const (
	unknown presence = iota
	announced
	withdrawn
)

// replaces reports whether another publisher is announced than was before. If
// publishers are unknown (moq-lite-03), each new announcement counts as another
// publisher.
func (s announcedState) replaces(was announcedState) bool {
	if s.presence != announced || was.presence != announced {
		return false
	}
	return s.hop != was.hop || s.hop == 0 && s.life != was.life
}

// hasChanged reports whether more than one publisher has been announced since
// was, in which none was known.
func (s announcedState) hasChanged(was announcedState) bool {
	return was.presence != announced && s.life > was.life+1
}

// origin returns the announced publisher; 0 is unknown.
func (s announcedState) origin() api.Hop {
	if s.presence != announced {
		return 0
	}
	return s.hop
}

// watchOrigin returns the watch of path over l, and begins one if there is none. The
// caller calls unwatchOrigin when it has no more use for it.
func (l *link) watchOrigin(path api.BroadcastPath) *originWatch {
	l.mu.Lock()
	defer l.mu.Unlock()
	o := l.origins[path]
	if o == nil {
		o = &originWatch{path: path, link: l}
		var ctx context.Context
		ctx, o.cancel = context.WithCancel(l.ctx)
		l.origins[path] = o
		l.spawn(func() { o.followStreams(ctx) })
	}
	o.users++
	return o
}

// unwatchOrigin ends a use that watchOrigin began.
func (l *link) unwatchOrigin(o *originWatch) {
	l.mu.Lock()
	defer l.mu.Unlock()
	o.users--
	if o.users == 0 {
		o.cancel()
		delete(l.origins, o.path)
	}
}

// followStreams follows one announcement stream after another until nobody uses the
// watch any more, the session is over, or the peer refuses for good.
func (o *originWatch) followStreams(ctx context.Context) {
	pause := o.link.newBackoff()
	for {
		began := time.Now()
		err := o.followStream(ctx)
		if ctx.Err() != nil || o.link.isEndError(err) || Permanent(err) || !backOff(ctx, pause, began) {
			return
		}
	}
}

// backOff waits before something is begun again that began at began and broke off:
// longer each time, unless it has stood for a while. It reports false if ctx
// ends first.
func backOff(ctx context.Context, pause *backoff.ExponentialBackOff, began time.Time) bool {
	if time.Since(began) >= stableAfter {
		pause.Reset()
	}
	return sleep(ctx, pause.NextBackOff())
}

// followStream follows one announcement stream to its end.
func (o *originWatch) followStream(ctx context.Context) error {
	r, err := o.link.session.Announcements(ctx, string(o.path))
	if err != nil {
		return err
	}
	defer func() { _ = r.Close() }()
	there, complete := false, false
	for {
		a, err := r.Receive(ctx)
		for err == nil && a.Path == o.path && a.Status == api.AnnouncementEnded {
			there = false
			a, err = o.handleEnd(ctx, r)
		}
		switch {
		case err != nil:
			return err
		case a.Status == api.AnnouncementsComplete:
			if complete = true; !there {
				o.setWithdrawn()
			}
		case a.Path == o.path && a.Status != api.AnnouncementEnded:
			o.setAnnounced(a.Origin(), a.Status == api.AnnouncementActive && complete)
			there = true
		}
	}
}

// handleEnd records that the broadcast is withdrawn, and returns the next
// announcement. A peer that is about to end may withdraw all broadcasts first: if
// the stream breaks off within ignoreEndsWithin, nothing is recorded.
func (o *originWatch) handleEnd(ctx context.Context, r api.AnnouncementReader) (api.Announcement, error) {
	within, cancel := context.WithTimeout(ctx, ignoreEndsWithin)
	defer cancel()
	next, err := r.Receive(within)
	late := errors.Is(err, context.DeadlineExceeded) && ctx.Err() == nil
	if err == nil || late {
		o.setWithdrawn()
	}
	if late {
		return r.Receive(ctx)
	}
	return next, err
}

// setAnnounced records the publisher of the broadcast. The broadcast counts as
// announced anew if it was not announced before, the publisher is another, or
// the peer says so, but not if a new announcement stream repeats what was
// known.
func (o *originWatch) setAnnounced(hop api.Hop, anew bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if anew || o.state.presence != announced || o.state.hop != hop {
		o.state.life++
		o.state.at = time.Now()
	}
	o.state.presence, o.state.hop = announced, hop
	o.changed.Tell()
}

// setWithdrawn records that nobody publishes the broadcast.
func (o *originWatch) setWithdrawn() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.state.presence = withdrawn
	o.changed.Tell()
}

// current returns what is announced now; changed is closed when that may have
// changed.
func (o *originWatch) current() (now announcedState, changed <-chan struct{}) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.state, o.changed.Changed()
}

// awaitState waits for a state that is wanted. If ctx ends first, it returns the
// current one.
func (o *originWatch) awaitState(ctx context.Context, wanted func(announcedState) bool) announcedState {
	for {
		now, changed := o.current()
		if wanted(now) {
			return now
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return now
		}
	}
}

// awaitAnnounced waits for an announcement, for a while at most, and returns the state
// then.
func (o *originWatch) awaitAnnounced(ctx context.Context, within time.Duration) announcedState {
	ctx, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	return o.awaitState(ctx, func(s announcedState) bool { return s.presence == announced })
}
