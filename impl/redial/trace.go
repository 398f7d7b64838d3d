package redial

import (
	"strconv"
	"sync"

	"github.com/moqlite/moqlite/api"
)

// A SessionTrace has hooks that are called as things happen, in order, one at a
// time, and without any lock: they may call the session. A nil hook is not
// called. URLs are passed without credentials. While a hook does not return, up
// to 1,024 calls wait; more are dropped. Terminate does not wait for hooks,
// since they may call it; [Session.Wait] does. Hooks of a Dial that fails may
// still be called after it has returned.
type SessionTrace struct {
	Dialing         func(url string, attempt int)          // a dial begins; the first in a row is attempt 1
	DialFailed      func(err error)                        // the dial has failed, or its session is asked to leave at once; another follows, or Ended
	Connected       func(state api.SessionState)           // the dial has made a session, which is used from now on
	Lost            func(err error)                        // the session has ended; another is dialled
	GoingAway       func(url string)                       // the peer wants us to leave; url is dialled next
	RedirectRefused func(url string, err error)            // url is what the peer's GOAWAY named, err why it is not dialled
	Drained         func(state api.SessionState)           // the session that was left is closed
	Restarted       func(api.BroadcastPath, api.TrackName) // a track goes on with new group numbers
	Ended           func(err error)                        // no other session follows
}

// A Status is the state of a [Session].
type Status int

// The statuses.
const (
	Connecting Status = iota // there is no session beneath; one is being dialled
	Connected                // there is one
	GoingAway                // its peer wants us to leave; the next one is being dialled
	Ended                    // no other session follows
)

var statuses = [...]string{Connecting: "connecting", Connected: "connected", GoingAway: "going away", Ended: "ended"}

// String returns the status in words, or its number if it has no name.
func (s Status) String() string {
	if s < 0 || int(s) >= len(statuses) {
		return "status " + strconv.Itoa(int(s))
	}
	return statuses[s]
}

// A StateChange is a new [Status] and the error that led to it, if any.
type StateChange struct {
	Status Status // the new status
	Err    error  // the error that led to it; nil if nothing failed
}

// A reporter reports what happens: it calls hooks in a goroutine of their own,
// so that they may end the session, and its channel holds the newest change.
type reporter struct {
	changes chan StateChange // buffered 1
	mu      sync.Mutex
	queue   []func()
	calling chan struct{} // closed when the queue is empty; nil while nothing is called
}

// sendStatus sends a change, in place of one that nobody has received yet.
func (r *reporter) sendStatus(status Status, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	select {
	case <-r.changes:
	default:
	}
	r.changes <- StateChange{status, err}
}

// maxQueuedHooks bounds the calls that wait while a hook does not return.
const maxQueuedHooks = 1024

// enqueueHook calls f after the calls before it.
func (r *reporter) enqueueHook(f func()) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.queue) >= maxQueuedHooks {
		return
	}
	r.queue = append(r.queue, f)
	if r.calling == nil {
		r.calling = make(chan struct{})
		go r.callHooks()
	}
}

// callHooks makes the queued calls until there are none.
func (r *reporter) callHooks() {
	for {
		f := r.takeHook()
		if f == nil {
			return
		}
		f()
	}
}

// takeHook removes and returns the next call; nil if there is none.
func (r *reporter) takeHook() (f func()) {
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

// awaitHooks returns when all calls have been made.
func (r *reporter) awaitHooks() {
	r.mu.Lock()
	calling := r.calling
	r.mu.Unlock()
	if calling != nil {
		<-calling
	}
}
