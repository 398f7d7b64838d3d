package live

import (
	"sync"
	"sync/atomic"

	"github.com/moqlite/moqlite/api"
)

const (
	// sharedBy is how many subscribers make it worth while to make what is sent
	// of a frame once for all of them, which takes memory of its own.
	sharedBy = 4

	// leastShared is the size from which that saves more than it costs.
	leastShared = 1 << 10
)

// An edge is the newest frame of a track, for all who read it there. It is one
// frame alone, so that it need not be counted: who reads elsewhere makes copies.
type edge struct {
	readers atomic.Int32 // subscriptions

	mu    sync.Mutex
	group api.GroupSequence
	index uint64
	frame *api.SharedFrame
}

// share is a frame as all who are at the edge share it; nil if they are few, or
// there is a newer one.
func (e *edge) share(seq api.GroupSequence, index uint64, f api.Frame) *api.SharedFrame {
	if len(f.Payload) < leastShared || e.readers.Load() < sharedBy {
		return nil
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	switch {
	case e.frame == nil, seq > e.group, seq == e.group && index > e.index:
		e.group, e.index, e.frame = seq, index, &api.SharedFrame{Frame: f}
	case seq != e.group, index != e.index:
		return nil
	}
	return e.frame
}

// count notes how many subscriptions there are.
func (e *edge) count(n int) {
	e.readers.Store(int32(n))
	if n < sharedBy {
		e.mu.Lock()
		defer e.mu.Unlock()
		e.frame = nil
	}
}
