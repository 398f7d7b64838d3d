package session

import (
	"sync"
	"sync/atomic"
)

// reading is what the application reads of the peer: the tracks that it has subscribed to,
// and what it fetches for other sessions (fetching.go). The zero value is ready.
type reading struct {
	fetches fetches

	// A subscription is in subs from before it is asked for, since groups may overtake
	// the answer, until it has ended or was closed.
	mu      sync.Mutex
	nextID  uint64                   // of the next subscription
	subs    map[uint64]*subscription // by id
	broken  int                      // number of those that were open when the connection was lost
	unheard uint64                   // number of announcements left out for their limit
	barred  uint64                   // number of those that the peer may not make

	own atomic.Uint64 // number of announcements left out for their hop
}

// register adds a subscription and sets its id.
func (r *reading) register(sub *subscription) {
	r.mu.Lock()
	defer r.mu.Unlock()
	sub.id = r.nextID
	r.nextID++
	if r.subs == nil {
		r.subs = make(map[uint64]*subscription)
	}
	r.subs[sub.id] = sub
}

// unregister removes a subscription that has ended, and reports whether that is news.
// broken tells that it has ended with the connection.
func (r *reading) unregister(sub *subscription, broken bool) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if broken {
		r.broken++
	}
	if r.subs[sub.id] != sub {
		return false
	}
	delete(r.subs, sub.id)
	return true
}

// find returns the subscription with an id, or nil.
func (r *reading) find(id uint64) *subscription {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.subs[id]
}

// count returns how many subscriptions there are, and how many were open when the
// connection was lost.
func (r *reading) count() (subs, broken int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.subs), r.broken
}

// leftOut counts an announcement that was left out.
func (r *reading) leftOut() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.unheard++
}

// refused counts an announcement that the peer may not make, and reports whether it is the
// first.
func (r *reading) refused() (first bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.barred++
	return r.barred == 1
}

// announcementsDropped returns how many announcements were left out for their limit, and
// because the peer may not make them.
func (r *reading) announcementsDropped() (leftOut, refused uint64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.unheard, r.barred
}
