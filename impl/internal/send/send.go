// Package send sends groups: it gathers the frames that writers write, decides in which
// order the groups of a session are sent, and passes them to the transport.
//
// A writer gathers frames in its [Group] (frames.go), as many as the admission of the
// group's [Lane] allows (admission.go), and submits the group to the session's [Queue],
// which gives it a slot (submit.go, slots.go). What is gathered is then written in one
// write to the transport (write.go), by the writer itself or by the goroutine that serves
// the queue. While the link keeps up, a frame costs no wait, and most frames cost no
// goroutine.
//
// # Invariants
//
//   - At most 6 slots are held; 1 once it is known that the transport cannot prioritize
//     streams. A write loses its slot, and goes on without it, when a group of higher
//     rank preempts it, or when it has waited for 100 ms and others are queued.
//   - Only the goroutine that carries out a group's write writes to its stream. While
//     the group is neither queued nor written, its writer may close the stream. Any
//     goroutine may reset a stream or set its urgency at any time.
//   - Each byte of a payload that a group has gathered is counted in the backlog of its
//     lane until the write that has taken it is settled, or the group is over. Up to
//     1 KiB of a group may not be counted yet.
//   - While a group is queued, one of these is true: all slots are held; a goroutine that
//     does not block serves the queue; or the lane is not eligible, since one of its
//     writes is stuck and another holds a slot.
//
// # States of a group
//
//	idle ──submit──► queued ──take──► written ──settle──► idle, if nothing is pending;
//	  │                 ▲                │                over, if it is closed besides
//	  │ claim           └── more is ─────┤
//	  └──────────────────── pending      │
//	                                     └─ startWaiting: the transport takes no more at
//	                                        once; the write goes on, and another
//	                                        goroutine serves the queue
//
// A group is idle when it is opened. From any state it is over when it is reset, refused
// by the subscriber, or its session ends; a write under way then fails.
//
// # Locks
//
// Locks are taken in this order: the owner's; Queue.mu; admission.mu; Group.mu. Of the
// methods of [Host], Spawn and NoGroups are called with Queue.mu held, the others without
// a lock; of those of [Owner], AppendHeader is called with Group.mu held, the others
// without a lock. Of the transport, only what does not block is called with a lock held.
//
// "The lock is held", said of a method, means the mu of a [Group] for its own methods, and
// Queue.mu for all others.
package send

import (
	"context"

	"github.com/moqlite/moqlite/api"
	"github.com/moqlite/moqlite/transport"
)

// A Host is what a [Queue] needs of its session. Its methods may be called at any time
// and by several goroutines at once.
type Host interface {
	// OpenUniStream opens the stream of a group. It blocks, until ctx ends, while the
	// peer allows no more streams.
	OpenUniStream(ctx context.Context) (transport.SendStream, error)

	// Spawn runs f in a goroutine of the session. It reports false when the session
	// has ended.
	Spawn(f func()) bool

	// Lost translates the error of a stream, or of opening one, to one of package
	// api. If the connection was lost, it ends the session first, which calls
	// [Queue.Stop].
	Lost(err error) error

	// NoGroups is called when the last group is over. It must neither block nor call
	// the queue.
	NoGroups()
}

// An Owner is the served subscription or fetch that a group belongs to.
type Owner interface {
	// AppendHeader appends the bytes that precede the frames on the stream. first is
	// the index of the first frame that follows. It must not call the group.
	AppendHeader(b []byte, g *Group, first uint64) []byte

	// FrameBegins is called by the writer for each frame that is sent, before the
	// frame is submitted. It may reset groups.
	FrameBegins(g *Group, timestamp uint64)

	// GroupDone is called once, when the group is over.
	GroupDone(g *Group, end Ending)
}

// An Ending is how a group has ended.
type Ending struct {
	Err   error               // what later calls of the writer return
	Reset bool                // the stream was reset rather than closed
	Code  api.StreamErrorCode // of the reset
}

// Frames are the frames of a group that are wanted: [First, End), where an End of 0
// means that there is no upper bound.
type Frames struct{ First, End uint64 }

func (f Frames) contain(frame uint64) bool {
	return frame >= f.First && (f.End == 0 || frame < f.End)
}
