package redial

import (
	"strconv"
	"sync"

	"github.com/moqlite/moqlite/api"
)

// A SessionTrace has functions that are called as things happen, in order, one
// at a time, and outside all locks: they may call the session. A nil one is
// not called. URLs come without credentials. While one does not return, up to
// 1,024 things that happen wait to be told; more are not told at all. Since they
// may end the session, its Terminate does not wait for them: [Session.Wait] does.
// Those of a Dial that fails may still be called when it has returned.
type SessionTrace struct {
	Dialing         func(url string, attempt int)          // a dial begins, the first in a row is attempt 1
	DialFailed      func(err error)                        // it has failed; another follows, or Ended
	Connected       func(state api.SessionState)           // it has made a session, which is in use now
	Lost            func(err error)                        // the session ended; another is dialled
	GoingAway       func(url string)                       // the peer wants us to leave; where we go
	RedirectRefused func(url string, err error)            // where the peer wanted us to go
	Drained         func(state api.SessionState)           // the session left behind was closed
	Restarted       func(api.BroadcastPath, api.TrackName) // a track goes on with new numbers
	Ended           func(err error)                        // there will be no other session
}

// A Status is what a [Session] does.
type Status int

// The statuses.
const (
	Connecting Status = iota // there is no session beneath; one is dialled
	Connected                // there is one
	GoingAway                // its peer wants us to leave; the next one is dialled
	Ended                    // there will be no other
)

var statuses = [...]string{Connecting: "connecting", Connected: "connected", GoingAway: "going away", Ended: "ended"}

// String returns the status in words, and the number of one that there is not.
func (s Status) String() string {
	if s < 0 || int(s) >= len(statuses) {
		return "status " + strconv.Itoa(int(s))
	}
	return statuses[s]
}

// A StateChange is a [Status] and what led to it, if that is an error.
type StateChange struct {
	Status Status // what the session does now
	Err    error  // what has led to it; nil where nothing failed
}

// A reporter tells what happens: hooks are called in a goroutine of their own,
// so that they may end the session, and the channel holds the newest change.
type reporter struct {
	changes chan StateChange // buffered 1
	mu      sync.Mutex
	queue   []func()
	calling chan struct{} // closed when the queue is empty; nil while it is
}

// status replaces the change that nobody has received yet.
func (r *reporter) status(status Status, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	select {
	case <-r.changes:
	default:
	}
	r.changes <- StateChange{status, err}
}

// maxUntold bounds what waits while a hook does not return.
const maxUntold = 1024

// hook calls f after those before.
func (r *reporter) hook(f func()) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.queue) >= maxUntold {
		return
	}
	r.queue = append(r.queue, f)
	if r.calling == nil {
		r.calling = make(chan struct{})
		go r.run()
	}
}

// run calls what is in the queue, until that is empty.
func (r *reporter) run() {
	for {
		f := r.take()
		if f == nil {
			return
		}
		f()
	}
}

// take takes the next hook out of the queue; nil when there is none.
func (r *reporter) take() (f func()) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.queue) == 0 {
		close(r.calling)
		r.calling = nil
		return nil
	}
	f = r.queue[0]
	r.queue = r.queue[1:]
	return f
}

// wait returns when all hooks have been called.
func (r *reporter) wait() {
	r.mu.Lock()
	calling := r.calling
	r.mu.Unlock()
	if calling != nil {
		<-calling
	}
}
