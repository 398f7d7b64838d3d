package walk

import (
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/moqlite/moqlite/api"
)

// follow is a step: a client follows the announcements of a relay.
type follow struct {
	name    string
	link    linkSpec
	lasting bool
}

func (f *follow) lasts() time.Duration { return 0 }

func (f *follow) String() string {
	session := "plain"
	if f.lasting {
		session = "lasting"
	}
	return fmt.Sprintf("follower %s joins at %v with a %s session", f.name, f.link, session)
}

// A follower keeps what is announced.
type follower struct {
	*client
	mu   sync.Mutex
	seen map[api.BroadcastPath]bool
}

func (f *follow) run(s *stage) {
	w := &follower{client: newClient(s, f.name, f.link, f.lasting), seen: make(map[api.BroadcastPath]bool)}
	s.mu.Lock()
	s.followers = append(s.followers, w)
	s.mu.Unlock()
	s.spawn(func() { w.live(w.follow) })
}

// follow follows the announcements of a session once.
func (f *follower) follow(session api.Session) (done bool) {
	r, err := session.Announcements(f.ctx, "")
	if err != nil {
		f.stage.note("%s: %v", f.name, err)
		return false
	}
	defer r.Close()
	f.forget()
	for {
		a, err := r.Receive(f.ctx)
		if err != nil {
			f.ended(session, err)
			return false
		}
		f.take(a)
	}
}

// ended handles the end of the announcements, which those of a lasting session
// must not have.
func (f *follower) ended(session api.Session, err error) {
	f.forget()
	if f.ctx.Err() != nil || session.Context().Err() != nil {
		return
	}
	f.stage.note("%s: %v", f.name, err)
	if f.lasting || errors.Is(err, io.EOF) {
		f.stage.fault(falsely, "%s: the announcements end, and the session does not: %v", f.name, err)
	}
}

func (f *follower) forget() {
	f.mu.Lock()
	defer f.mu.Unlock()
	clear(f.seen)
}

// take checks an announcement: those of a path must be active, any number of
// updated, ended.
func (f *follower) take(a api.Announcement) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if a.Status == api.AnnouncementsComplete {
		return
	}
	f.stage.note("%s: %s is %v, hops %v", f.name, a.Path, a.Status, a.Hops)
	if f.seen[a.Path] == (a.Status == api.AnnouncementActive) {
		f.stage.fault(untrue, "%s: %s is %v, and was announced before: %v", f.name, a.Path, a.Status, f.seen[a.Path])
	}
	if a.Status == api.AnnouncementEnded {
		delete(f.seen, a.Path)
	} else {
		f.seen[a.Path] = true
	}
}

// check compares what is announced with what is published.
func (f *follower) check() {
	if !f.stands() {
		return
	}
	there := make(map[api.BroadcastPath]bool)
	for _, p := range f.stage.publishers {
		if p.there() {
			there[p.path()] = true
		}
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if !maps.Equal(there, f.seen) {
		f.stage.fault(misled, "%s: %v are announced, %v are there", f.name, sorted(f.seen), sorted(there))
	}
}

func sorted(paths map[api.BroadcastPath]bool) []api.BroadcastPath {
	return slices.Sorted(maps.Keys(paths))
}
