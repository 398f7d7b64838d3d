package live

import (
	"sync"

	"github.com/moqlite/moqlite/api"
)

const (
	// minSharers is the number of subscribers from which on a frame is encoded
	// once for all of them. The encoded form takes memory of its own.
	minSharers = 4

	// Sharing a smaller frame costs more than it saves; larger ones are sent in
	// pieces.
	minShared = 1 << 10
	maxShared = 64 << 10
)

// A newestFrame is the newest frame of a track, shared by all subscriptions
// that have read up to it. It is a single frame, so the limits need not count
// it; a subscription that is further behind copies its frames.
type newestFrame struct {
	// mu is taken last: with it held, nothing else is locked. It is not the
	// track's, which every writer needs.
	mu      sync.Mutex
	readers int // number of subscriptions
	group   api.GroupSequence
	index   uint64
	frame   *api.SharedFrame
}

// shareFrame returns the shared form of a frame; nil if it is small or large, if
// there are few subscriptions, or if a newer frame is shared.
func (e *newestFrame) shareFrame(seq api.GroupSequence, index uint64, f api.Frame) *api.SharedFrame {
	if len(f.Payload) < minShared || len(f.Payload) > maxShared {
		return nil
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	switch {
	case e.readers < minSharers:
		return nil
	case e.frame == nil, seq > e.group, seq == e.group && index > e.index:
		e.group, e.index, e.frame = seq, index, &api.SharedFrame{Frame: f}
	case seq != e.group, index != e.index:
		return nil
	}
	return e.frame
}

// setReaders records the number of subscriptions.
func (e *newestFrame) setReaders(n int) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.readers = n
	if n < minSharers {
		e.frame = nil
	}
}

// dropGroup drops the shared frame if it is of the group: a group that is reset
// must not stay in memory because of its last frame.
func (e *newestFrame) dropGroup(seq api.GroupSequence) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.group == seq {
		e.frame = nil
	}
}
