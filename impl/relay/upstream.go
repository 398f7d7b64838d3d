package relay

import (
	"context"
	"errors"
	"io"
	"sync"
	"time"

	"github.com/moqlite/moqlite/api"
)

const (
	// askAgainAfter is how long the relay waits before it asks a session for
	// its announcements again; it doubles with each failure, up to
	// askAgainWithin.
	askAgainAfter  = 100 * time.Millisecond
	askAgainWithin = 10 * time.Second

	// keepUnconfirmed is how long the broadcasts of a session are kept while
	// the session does not tell which of them are still there.
	keepUnconfirmed = 10 * time.Second
)

// An upstream is a session whose announcements the relay follows. Its pointer
// identifies the session.
type upstream struct {
	api.Session
	relay *Relay
	quota quota

	// Guarded by Relay.mu.
	routes   map[api.BroadcastPath]*route // what it announces now
	leaving  bool                         // the peer has asked us to leave
	dropping bool                         // it has announced more than is accepted
}

func newUpstream(r *Relay, s api.Session) *upstream {
	return &upstream{Session: s, relay: r, routes: make(map[api.BroadcastPath]*route)}
}

// mayPublish reports whether the peer is allowed to serve a path. It may serve what
// it announces, and not always all that is below.
func (u *upstream) mayPublish(path api.BroadcastPath) bool {
	s, ok := u.Session.(api.PublishScope)
	return !ok || s.MayPublish(path)
}

// followAnnouncements follows what the session announces, until ctx or the set of
// announcements has ended. If only the stream of the announcements is lost, it
// asks for them again and keeps the routes meanwhile.
func (u *upstream) followAnnouncements(ctx context.Context) {
	defer u.withdrawAll()
	watching := u.watchGoAway(ctx)
	defer watching()
	wait, confirmed := askAgainAfter, time.Now()
	for {
		complete, err := u.readAnnouncements(ctx)
		switch {
		case err == io.EOF || ctx.Err() != nil:
			return
		case refusedForGood(err):
			u.relay.log("no announcements", u, err)
			return
		}
		u.relay.log("announcements lost", u, err)
		if complete {
			wait, confirmed = askAgainAfter, time.Now()
		} else if time.Since(confirmed) > keepUnconfirmed {
			u.withdrawAll()
		}
		select {
		case <-time.After(wait):
		case <-ctx.Done():
			return
		}
		wait = min(2*wait, askAgainWithin)
	}
}

// watchGoAway waits for the peer to ask us to leave; other routes are preferred
// from then on. The returned function ends that.
func (u *upstream) watchGoAway(ctx context.Context) (stop func()) {
	ctx, cancel := context.WithCancel(ctx)
	var watching sync.WaitGroup
	watching.Go(func() {
		select {
		case <-u.GoneAway():
			u.markLeaving()
		case <-ctx.Done():
		}
	})
	return func() { cancel(); watching.Wait() }
}

// refusedForGood reports whether announcements need not be asked for again.
func refusedForGood(err error) bool {
	return errors.Is(err, api.ErrUnauthorized) || errors.Is(err, api.ErrNotSupported)
}

// readAnnouncements follows the announcements of one stream until it ends;
// io.EOF is the end of the set. It reports whether the initial set was
// complete: routes from before that are not in it are withdrawn then.
func (u *upstream) readAnnouncements(ctx context.Context) (complete bool, err error) {
	r, err := u.Announcements(ctx, "")
	if err != nil {
		return false, err
	}
	defer r.Close()
	missing := u.knownPaths()
	for {
		a, err := r.Receive(ctx)
		if err != nil {
			return complete, err
		}
		if a.Status == api.AnnouncementsComplete {
			complete = true
			u.withdrawRoutes(missing)
			missing = nil
			continue
		}
		delete(missing, a.Path)
		u.applyAnnouncement(a)
	}
}
