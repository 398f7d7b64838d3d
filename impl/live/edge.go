package live

import (
	"sync"

	"github.com/moqlite/moqlite/api"
)

const (
	// sharedBy is how many subscribers make it worth while to make what is sent
	// of a frame once for all of them, which takes memory of its own.
	sharedBy = 4

	// Frames that are smaller cost more to share than it saves, and larger ones
	// are sent in pieces.
	leastShared = 1 << 10
	mostShared  = 64 << 10
)

// An edge is the newest frame of a track, for all who read it there. It is one
// frame alone, so that it need not be counted: who reads elsewhere makes copies.
type edge struct {
	mu      sync.Mutex
	readers int // subscriptions
	group   api.GroupSequence
	index   uint64
	frame   *api.SharedFrame
}

// share is a frame as all who are at the edge share it; nil if it is small or
// large, they are few, or there is a newer one.
func (e *edge) share(seq api.GroupSequence, index uint64, f api.Frame) *api.SharedFrame {
	if len(f.Payload) < leastShared || len(f.Payload) > mostShared {
		return nil
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	switch {
	case e.readers < sharedBy:
		return nil
	case e.frame == nil, seq > e.group, seq == e.group && index > e.index:
		e.group, e.index, e.frame = seq, index, &api.SharedFrame{Frame: f}
	case seq != e.group, index != e.index:
		return nil
	}
	return e.frame
}

// count notes how many subscriptions there are.
func (e *edge) count(n int) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.readers = n
	if n < sharedBy {
		e.frame = nil
	}
}

// drop lets go of what is held of a group.
func (e *edge) drop(seq api.GroupSequence) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.group == seq {
		e.frame = nil
	}
}
