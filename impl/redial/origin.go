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

// An origin follows which publisher has the broadcast of a path, as one session
// announces it, while somebody reads the broadcast over that session. If its
// announcement stream breaks off, it asks for another.
type origin struct {
	path   api.BroadcastPath
	link   *link
	users  int // guarded by the link's lock
	cancel context.CancelFunc

	mu      sync.Mutex
	now     sighting
	changed signal.Notice // now has changed
}

// A sighting is what a session announces of a broadcast.
type sighting struct {
	is   presence
	hop  api.Hop   // the publisher, or the last one; 0 is unknown
	life int       // how many times it was announced anew
	at   time.Time // when it was announced anew last
}

// A presence is what is known of a broadcast.
type presence int

const (
	unheard presence = iota
	announced
	withdrawn
)

// replaces reports whether another publisher is announced than was before. If
// publishers are unknown (moq-lite-03), each new announcement counts as another
// publisher.
func (s sighting) replaces(was sighting) bool {
	if s.is != announced || was.is != announced {
		return false
	}
	return s.hop != was.hop || s.hop == 0 && s.life != was.life
}

// hasChanged reports whether more than one publisher has been announced since
// was, in which none was known.
func (s sighting) hasChanged(was sighting) bool {
	return was.is != announced && s.life > was.life+1
}

// origin returns the announced publisher; 0 is unknown.
func (s sighting) origin() api.Hop {
	if s.is != announced {
		return 0
	}
	return s.hop
}

// follow returns the origin of path. The caller calls leave.
func (l *link) follow(path api.BroadcastPath) *origin {
	l.mu.Lock()
	defer l.mu.Unlock()
	o := l.origins[path]
	if o == nil {
		o = &origin{path: path, link: l}
		var ctx context.Context
		ctx, o.cancel = context.WithCancel(l.ctx)
		l.origins[path] = o
		l.spawn(func() { o.run(ctx) })
	}
	o.users++
	return o
}

// leave ends a use that follow began.
func (l *link) leave(o *origin) {
	l.mu.Lock()
	defer l.mu.Unlock()
	o.users--
	if o.users == 0 {
		o.cancel()
		delete(l.origins, o.path)
	}
}

// run listens until nobody uses the origin any more, or the session is over.
func (o *origin) run(ctx context.Context) {
	pause := o.link.pause()
	for {
		began := time.Now()
		err := o.listen(ctx)
		if ctx.Err() != nil || o.link.over(err) || Permanent(err) || !rest(ctx, pause, began) {
			return
		}
	}
}

// rest waits before something is begun again that began at began and broke off:
// longer each time, unless it has stood for a while. It reports false if ctx
// ends first.
func rest(ctx context.Context, pause *backoff.ExponentialBackOff, began time.Time) bool {
	if time.Since(began) >= stableAfter {
		pause.Reset()
	}
	return sleep(ctx, pause.NextBackOff())
}

// listen follows one announcement stream to its end.
func (o *origin) listen(ctx context.Context) error {
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
			a, err = o.end(ctx, r)
		}
		switch {
		case err != nil:
			return err
		case a.Status == api.AnnouncementsComplete:
			if complete = true; !there {
				o.withdrawn()
			}
		case a.Path == o.path && a.Status != api.AnnouncementEnded:
			o.announced(a.Origin(), a.Status == api.AnnouncementActive && complete)
			there = true
		}
	}
}

// end records that the broadcast is withdrawn, unless the whole stream ends,
// and returns the next announcement.
func (o *origin) end(ctx context.Context, r api.AnnouncementReader) (api.Announcement, error) {
	within, cancel := context.WithTimeout(ctx, breaking)
	defer cancel()
	next, err := r.Receive(within)
	late := errors.Is(err, context.DeadlineExceeded) && ctx.Err() == nil
	if err == nil || late {
		o.withdrawn()
	}
	if late {
		return r.Receive(ctx)
	}
	return next, err
}

// announced records the publisher of the broadcast. The broadcast counts as
// announced anew if it was not announced before, the publisher is another, or
// the peer says so, but not if a new announcement stream repeats what was
// known.
func (o *origin) announced(hop api.Hop, anew bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if anew || o.now.is != announced || o.now.hop != hop {
		o.now.life++
		o.now.at = time.Now()
	}
	o.now.is, o.now.hop = announced, hop
	o.changed.Tell()
}

// withdrawn records that nobody publishes the broadcast.
func (o *origin) withdrawn() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.now.is = withdrawn
	o.changed.Tell()
}

// sight returns what is announced now; changed is closed when that may have
// changed.
func (o *origin) sight() (now sighting, changed <-chan struct{}) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.now, o.changed.Changed()
}

// await waits for a sighting that is wanted. If ctx ends first, it returns the
// current one.
func (o *origin) await(ctx context.Context, wanted func(sighting) bool) sighting {
	for {
		now, changed := o.sight()
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
