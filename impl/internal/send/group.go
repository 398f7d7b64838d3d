package send

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/moqlite/moqlite/api"
	"github.com/moqlite/moqlite/impl/internal/age"
	"github.com/moqlite/moqlite/transport"
)

// Group implements [api.GroupWriter].
//
// Frames are appended to a buffer of pending bytes. When the group gets a slot, the
// whole buffer is passed to the transport in one write. To keep small groups cheap, the
// state needed only during a write lives in the slot, and buffers come from shared
// pools.
type Group struct {
	lane   *Lane
	owner  Owner
	seq    api.GroupSequence
	wanted Frames // the frames that the subscriber wants

	// Used by the writer alone; age also by the owner (see package age).
	frames    uint64    // frames begun or skipped so far
	timestamp uint64    // of the last frame that was to be sent
	left      uint64    // bytes still missing from the frame that StartFrame began
	unwanted  bool      // the current frame is not sent
	begun     bool      // the group's header is in pending, or sent
	silent    bool      // the subscriber does not want the group: nothing is sent
	age       age.Entry // used by the owner to find out when the group is too old

	mu        sync.Mutex
	pending   []byte // gathered, not yet taken for a write
	counted   int    // how much of pending the backlog counts, overhead included
	uncounted int    // how much it does not count yet
	stream    stream // without one until the first write opens it
	err       error  // why the group is over; nil while it is not
	life      transport.Life
	queued    bool // the group is queued or in a slot, and pending will be taken
	closed    bool // Close was called: no more frames
	done      bool // finish was called; set together with err
	watched   bool // Context was called
	urgency   int8 // of the stream; changed only while Queue.mu is held as well (but see give)

	// Used by the goroutine that carries out the group's write, and by the writer
	// while the group is neither queued nor written.
	waited bool // the last write had to wait for the transport

	// Guarded by Queue.mu.
	active       bool   // in the list Queue.groups
	part         bool   // a part of the group has been written
	newer, older *Group // neighbours in that list
	place        int    // index+1 in Lane.waiting; 0 when it is not in there
}

var _ api.SharedWriter = (*Group)(nil)

// NewGroup returns a group of the lane, of which the given frames are wanted. Its owner
// calls Open before it is written.
func (l *Lane) NewGroup(owner Owner, seq api.GroupSequence, wanted Frames) *Group {
	return &Group{lane: l, owner: owner, seq: seq, wanted: wanted}
}

// NewSilentGroup returns a group of which nothing is sent. It may be written like any
// other, and Open is not called.
func (l *Lane) NewSilentGroup(owner Owner, seq api.GroupSequence) *Group {
	return &Group{lane: l, owner: owner, seq: seq, silent: true}
}

// SetStream makes the group write to a stream that is open already. It is called
// before Open.
func (g *Group) SetStream(st transport.SendStream) { g.stream = stream{st} }

// Open makes the group known to its [Queue], so that it can be submitted, and is failed
// when the session ends. It reports false when the session has ended.
func (g *Group) Open() bool { return g.lane.queue.add(g) }

// Silent reports whether nothing is sent of the group.
func (g *Group) Silent() bool { return g.silent }

// Begun returns the number of frames that were begun or skipped. Only the writer's
// goroutine calls it, of which FrameBegins is a part.
func (g *Group) Begun() uint64 { return g.frames }

// AgeEntry implements [age.Member].
func (g *Group) AgeEntry() *age.Entry { return &g.age }

// Sequence implements [api.GroupWriter].
func (g *Group) Sequence() api.GroupSequence { return g.seq }

// Context implements [api.GroupWriter].
func (g *Group) Context() context.Context {
	g.mu.Lock()
	defer g.mu.Unlock()
	if !g.watched {
		g.watched = true
		g.watch()
	}
	return g.context()
}

// lifetime returns the same context as Context, without watching the stream for
// a refusal by the subscriber.
func (g *Group) lifetime() context.Context {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.context()
}

// context returns a context that ends with the group. The lock is held.
func (g *Group) context() context.Context {
	return g.life.Context(g.err)
}

// watch ends the group when the subscriber refuses its stream, even while nothing
// is written. It does so only once Context was called; otherwise the next write
// finds out. The lock is held.
func (g *Group) watch() {
	if !g.watched || !g.stream.isOpen() || g.err != nil {
		return
	}
	stream := g.stream.SendStream
	context.AfterFunc(stream.Context(), func() {
		if reset, ok := errors.AsType[*transport.StreamError](context.Cause(stream.Context())); ok {
			g.fail(g.lane.queue.host.Lost(reset))
		}
	})
}

// Cancel implements [api.GroupWriter].
func (g *Group) Cancel(code api.StreamErrorCode) { g.Reset(api.ErrClosed, code) }

// Reset ends the group and resets its stream with code. The writer's calls fail
// with err from now on.
func (g *Group) Reset(err error, code api.StreamErrorCode) {
	if stream := g.finish(Ending{Err: err, Reset: true, Code: code}); stream != nil {
		stream.CancelWrite(uint64(code))
	}
}

// fail ends the group because its stream or session has failed with err.
func (g *Group) fail(err error) { g.Reset(err, api.StreamCancelled) }

// finish marks the group as over, wakes its writer, removes the group from the queue and
// tells its owner. It returns the group's stream, nil if it has none. Only the first call
// has an effect; later ones return nil. No lock is held.
func (g *Group) finish(end Ending) transport.SendStream {
	g.mu.Lock()
	if g.done {
		g.mu.Unlock()
		return nil
	}
	g.done = true
	g.err = end.Err
	recycle(g.pending)
	counted := g.counted
	g.pending, g.counted, g.uncounted = nil, 0, 0
	g.life.End(end.Err)
	stream := g.stream.SendStream
	g.mu.Unlock()
	g.lane.admission.remove(counted)
	g.lane.admission.wake()
	g.lane.queue.remove(g)
	g.owner.GroupDone(g, end)
	return stream
}

// end closes the stream and finishes the group, of which everything is written. If the
// last write had to wait, the transport still holds the stream's last packet. The stream
// is then given the first urgency: the group no longer has a rank, and newer groups
// could overtake the packet for as long as there are any.
func (g *Group) end() {
	if g.waited {
		g.stream.prioritize(g.lane.queue.first)
	}
	if err := g.stream.Close(); err != nil {
		g.fail(g.lane.queue.host.Lost(err))
		return
	}
	g.finish(Ending{Err: api.ErrClosed})
}

// IsOpen reports whether frames may still be written.
func (g *Group) IsOpen() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return !g.closed && g.err == nil
}

// usable returns an error when the group is over or closed. The lock is held.
func (g *Group) usable() error {
	if g.err != nil {
		return fmt.Errorf("group %d: %w", g.seq, g.err)
	}
	if g.closed {
		return fmt.Errorf("group %d: %w", g.seq, api.ErrClosed)
	}
	return nil
}
