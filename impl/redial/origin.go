package redial

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/moqlite/moqlite/api"
)

// An origin follows where the broadcast of a path comes from, for as long as
// somebody reads it over a link.
type origin struct {
	path   api.BroadcastPath
	users  int // guarded by the link's lock
	cancel context.CancelFunc

	mu      sync.Mutex
	first   api.Hop // of the last announcement; 0 while unknown
	is      presence
	changed chan struct{} // closed at each announcement, and at its end
}

// A presence is what is known of a broadcast.
type presence int

const (
	unheard presence = iota
	announced
	withdrawn
)

// follow returns the origin of path, for the caller to leave.
func (l *link) follow(path api.BroadcastPath) *origin {
	l.mu.Lock()
	defer l.mu.Unlock()
	o := l.origins[path]
	if o == nil {
		o = &origin{path: path, changed: make(chan struct{})}
		var ctx context.Context
		ctx, o.cancel = context.WithCancel(l.ctx)
		l.origins[path] = o
		l.spawn(func() { o.run(ctx, l.session) })
	}
	o.users++
	return o
}

// leave ends what follow began.
func (l *link) leave(o *origin) {
	l.mu.Lock()
	defer l.mu.Unlock()
	o.users--
	if o.users == 0 {
		o.cancel()
		delete(l.origins, o.path)
	}
}

func (o *origin) run(ctx context.Context, s api.Session) {
	r, err := s.Announcements(ctx, string(o.path))
	if err != nil {
		return
	}
	defer func() { _ = r.Close() }()
	for {
		a, err := r.Receive(ctx)
		for err == nil && a.Path == o.path && a.Status == api.AnnouncementEnded {
			a, err = o.end(ctx, r)
		}
		switch {
		case err != nil:
			return
		case a.Status == api.AnnouncementsComplete:
			o.complete()
		case a.Path == o.path && a.Status != api.AnnouncementEnded:
			o.tell(announced, firstHop(a))
		}
	}
}

// breaking is how long before the end of a set what it tells to have ended
// means nothing.
const breaking = 100 * time.Millisecond

// end notes that the broadcast is withdrawn, unless all announcements end, and
// returns what is announced next.
func (o *origin) end(ctx context.Context, r api.AnnouncementReader) (api.Announcement, error) {
	within, cancel := context.WithTimeout(ctx, breaking)
	defer cancel()
	next, err := r.Receive(within)
	late := errors.Is(err, context.DeadlineExceeded) && ctx.Err() == nil
	if err == nil || late {
		o.tell(withdrawn, o.hop())
	}
	if late {
		return r.Receive(ctx)
	}
	return next, err
}

func (o *origin) tell(is presence, first api.Hop) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.is, o.first = is, first
	close(o.changed)
	o.changed = make(chan struct{})
}

// complete notes that what has not been announced so far is not there.
func (o *origin) complete() {
	o.mu.Lock()
	unknown := o.is == unheard
	o.mu.Unlock()
	if unknown {
		o.tell(withdrawn, 0)
	}
}

// gone waits until the broadcast is withdrawn. It reports false when ctx ends
// first.
func (o *origin) gone(ctx context.Context) bool {
	for {
		o.mu.Lock()
		is, changed := o.is, o.changed
		o.mu.Unlock()
		if is == withdrawn {
			return true
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return false
		}
	}
}

// hop is the first hop as it is known now.
func (o *origin) hop() api.Hop {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.first
}

// change is closed at the next announcement.
func (o *origin) change() <-chan struct{} {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.changed
}

// wait waits until the broadcast is announced, and returns the first hop; 0 is
// unknown.
func (o *origin) wait(ctx context.Context) api.Hop {
	for {
		o.mu.Lock()
		first, is, changed := o.first, o.is, o.changed
		o.mu.Unlock()
		if is == announced {
			return first
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return 0
		}
	}
}

// firstHop is the originator of a broadcast; 0 is unknown.
func firstHop(a api.Announcement) api.Hop {
	if len(a.Hops) == 0 {
		return 0
	}
	return a.Hops[0]
}
