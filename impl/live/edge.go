package live

import (
	"sync"

	"github.com/moqlite/moqlite/api"
)

const (
	// sharedBy is the number of subscribers from which on a frame is encoded
	// once for all of them. The encoded form takes memory of its own.
	sharedBy = 4

	// Sharing a smaller frame costs more than it saves; larger ones are sent in
	// pieces.
	leastShared = 1 << 10
	mostShared  = 64 << 10
)

// An edge is the newest frame of a track, shared by all subscriptions that have
// read up to it. It is a single frame, so the limits need not count it; a
// subscription that is further behind copies its frames.
type edge struct {
	mu      sync.Mutex
	readers int // number of subscriptions
	group   api.GroupSequence
	index   uint64
	frame   *api.SharedFrame
}

// share returns the shared form of a frame; nil if it is small or large, if
// there are few subscriptions, or if a newer frame is shared.
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

// count records the number of subscriptions.
func (e *edge) count(n int) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.readers = n
	if n < sharedBy {
		e.frame = nil
	}
}

// drop drops the shared frame if it is of the group.
func (e *edge) drop(seq api.GroupSequence) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.group == seq {
		e.frame = nil
	}
}
