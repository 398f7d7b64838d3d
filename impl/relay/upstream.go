package relay

import (
	"errors"
	"io"
	"maps"
	"time"

	"github.com/moqlite/moqlite/api"
)

const (
	// askAgainAfter is how long the relay waits before it asks a session for
	// its announcements again; it doubles with each failure, to askAgainWithin.
	askAgainAfter  = 100 * time.Millisecond
	askAgainWithin = 10 * time.Second

	// keepUnconfirmed is how long the broadcasts of a session are kept while
	// the session does not tell which of them are still there.
	keepUnconfirmed = 10 * time.Second
)

// An upstream is a session that announces. Each has one, by which it is told
// from others.
type upstream struct {
	api.Session
	relay  *Relay
	routes map[api.BroadcastPath]*route // what it announces now; of listen alone
}

func newUpstream(r *Relay, s api.Session) *upstream {
	return &upstream{Session: s, relay: r, routes: make(map[api.BroadcastPath]*route)}
}

// listen follows what the session announces, until the session or its set of
// announcements has ended. Where the stream of the announcements alone is lost,
// they are asked for again, and the routes are kept meanwhile.
func (u *upstream) listen() {
	defer u.withdraw(u.routes)
	wait, confirmed := askAgainAfter, time.Now()
	for {
		complete, err := u.hear()
		switch {
		case err == io.EOF || u.Context().Err() != nil:
			return
		case refusedForGood(err):
			u.relay.log("no announcements", u, err)
			return
		}
		u.relay.log("announcements lost", u, err)
		if complete {
			wait, confirmed = askAgainAfter, time.Now()
		} else if time.Since(confirmed) > keepUnconfirmed {
			u.withdraw(u.routes)
		}
		select {
		case <-time.After(wait):
		case <-u.Context().Done():
			return
		}
		wait = min(2*wait, askAgainWithin)
	}
}

// refusedForGood tells whether announcements need not be asked for again.
func refusedForGood(err error) bool {
	return errors.Is(err, api.ErrUnauthorized) || errors.Is(err, api.ErrNotSupported)
}

// hear follows the announcements of one stream until it ends; io.EOF is the end
// of the set. It tells whether the initial set has come: what was announced
// before and is not in it is withdrawn.
func (u *upstream) hear() (complete bool, err error) {
	r, err := u.Announcements(u.Context(), "")
	if err != nil {
		return false, err
	}
	defer r.Close()
	missing := maps.Clone(u.routes)
	for {
		a, err := r.Receive(u.Context())
		if err != nil {
			return complete, err
		}
		if a.Status == api.AnnouncementsComplete {
			complete = true
			u.withdraw(missing)
			missing = nil
			continue
		}
		delete(missing, a.Path)
		u.take(a)
	}
}

// take takes in an announcement.
func (u *upstream) take(a api.Announcement) {
	rt := u.routes[a.Path]
	switch {
	case a.Status == api.AnnouncementEnded:
		delete(u.routes, a.Path)
		u.relay.remove(rt)
	case rt == nil:
		u.routes[a.Path] = u.relay.add(u, a)
	default:
		u.routes[a.Path] = u.relay.update(rt, a)
	}
}

// withdraw takes routes away.
func (u *upstream) withdraw(routes map[api.BroadcastPath]*route) {
	for path, rt := range routes {
		delete(u.routes, path)
		u.relay.remove(rt)
	}
}
