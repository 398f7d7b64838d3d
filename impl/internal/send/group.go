package send

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"

	"github.com/moqlite/moqlite/api"
	"github.com/moqlite/moqlite/impl/internal/age"
	"github.com/moqlite/moqlite/impl/internal/message"
	"github.com/moqlite/moqlite/transport"
)

const (
	// maxPending is how many bytes a group may have pending before its writer
	// blocks. As much again can be in the write under way. With more, the bytes
	// would leave the processor's cache before they are sent, which costs more
	// than the saved writes gain.
	maxPending = 48 << 10

	// headerRoom is enough for a frame header and the header of most groups.
	headerRoom = 48
)

// Group implements [api.GroupWriter].
//
// Frames are appended to a buffer of pending bytes. When the group's turn comes,
// the queue passes the whole buffer to the transport in one write, so while the link
// keeps up a frame costs neither a goroutine nor a wait. To keep small groups
// cheap, the state needed only during a write lives in the slot, and buffers come
// from shared pools.
type Group struct {
	lane   *Lane
	owner  Owner
	seq    api.GroupSequence
	wanted Frames // the frames that the subscriber wants

	// Used by the writer alone; age also by the owner (see package age).
	frames    uint64    // frames begun or skipped so far
	timestamp uint64    // of the last frame sent
	left      uint64    // bytes still missing from the frame that StartFrame began
	unwanted  bool      // the current frame is not sent
	begun     bool      // the group's header is in pending, or sent
	silent    bool      // the subscriber does not want the group: nothing is sent
	age       age.Entry // used by the owner to find out when the group is too old

	mu      sync.Mutex
	pending []byte               // gathered, not yet taken for a write
	counted int                  // how much of pending the backlog counts, overhead included
	stream  transport.SendStream // nil until the first write opens it
	room    *sync.Cond           // signals that pending was taken or the group is over; lazily made
	err     error                // why the group is over; nil while it is not
	life    transport.Life
	queued  bool // the queue has the group, queued or in a slot, and will take pending
	closed  bool // Close was called: no more frames
	done    bool // the group is over and was removed from the queue
	watched bool // Context was called
	waited  bool // the last write had to wait for the transport
	urgency int8 // of the stream; changed only while Queue.mu is held as well

	// Guarded by Queue.mu.
	active       bool   // in the list of the queue
	part         bool   // a part of the group has been written
	newer, older *Group // neighbours in that list
	place        int    // index+1 in the heap of its lane; 0 when it is not in there
	slot         *slot  // of the write under way; its contents belong to the goroutine that writes
}

var _ api.SharedWriter = (*Group)(nil)

// An Owner is the served subscription or fetch that a group belongs to.
type Owner interface {
	// AppendHeader appends the bytes that precede the frames on the stream.
	// first is the index of the first frame that follows.
	AppendHeader(b []byte, g *Group, first uint64) []byte

	// FrameBegins is called for each frame that is sent, before it is queued.
	FrameBegins(g *Group, timestamp uint64)

	// GroupDone is called once, when the group is over.
	GroupDone(g *Group, end Ending)
}

// Frames are the frames of a group that are wanted: [First, End), where an End
// of 0 means that there is no upper bound.
type Frames struct{ First, End uint64 }

func (f Frames) contain(frame uint64) bool {
	return frame >= f.First && (f.End == 0 || frame < f.End)
}

// NewGroup returns a group of the lane, of which the given frames are wanted. It is
// sent once Open was called.
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
func (g *Group) SetStream(st transport.SendStream) { g.stream = st }

// Open adds the group to the queue of its lane. It reports false when the session has
// ended.
func (g *Group) Open() bool { return g.lane.queue.add(g) }

// Silent reports whether nothing is sent of the group.
func (g *Group) Silent() bool { return g.silent }

// Begun returns the number of frames that were begun or skipped. Only the writer calls
// it, and the owner in FrameBegins.
func (g *Group) Begun() uint64 { return g.frames }

// AgeEntry implements [age.Member].
func (g *Group) AgeEntry() *age.Entry { return &g.age }

// Sequence implements [api.GroupWriter].
func (g *Group) Sequence() api.GroupSequence { return g.seq }

// Context implements [api.GroupWriter].
func (g *Group) Context() context.Context {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.watched = true
	g.watch()
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
	if !g.watched || g.stream == nil || g.err != nil {
		return
	}
	stream := g.stream
	context.AfterFunc(stream.Context(), func() {
		if reset, ok := errors.AsType[*transport.StreamError](context.Cause(stream.Context())); ok {
			g.fail(g.lane.queue.host.Lost(reset))
		}
	})
}

// check returns an error if the writer may not begin a frame with this header: the
// frame before is incomplete (the group is then reset), or the header is invalid.
func (g *Group) check(h *message.FrameHeader) error {
	if g.left > 0 {
		left := g.left
		g.Reset(&api.StreamError{Code: api.StreamWrongSize}, api.StreamWrongSize)
		return fmt.Errorf("group %d: the frame before is short by %d bytes, the group was reset", g.seq, left)
	}
	if err := h.Validate(g.lane.queue.version, g.timestamp); err != nil {
		return fmt.Errorf("group %d: frame: %w", g.seq, err)
	}
	return nil
}

// begin begins a frame and appends its header to the pending bytes. A frame that
// the subscriber does not want is counted, but not sent. The lock is held.
func (g *Group) begin(h *message.FrameHeader) error {
	if err := g.usable(); err != nil {
		return err
	}
	g.unwanted = g.silent || !g.wanted.contain(g.frames)
	g.frames++
	if g.unwanted {
		return nil
	}
	g.pending = grow(g.pending, int(min(h.Size, uint64(max(maxPending-len(g.pending), 0))))+headerRoom)
	g.opening()
	g.pending = h.Append(g.lane.queue.version, g.pending, g.timestamp)
	g.timestamp = h.Timestamp
	return nil
}

// opening appends the group's header to the pending bytes, unless it was done
// before. The lock is held.
func (g *Group) opening() {
	if !g.begun {
		g.begun = true
		g.pending = g.owner.AppendHeader(g.pending, g, g.wanted.First)
	}
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

// WriteFrame implements [api.GroupWriter].
func (g *Group) WriteFrame(f api.Frame) error {
	h := message.FrameHeader{Timestamp: f.Timestamp, Size: uint64(len(f.Payload))}
	if err := g.check(&h); err != nil {
		return err
	}
	g.mu.Lock()
	if err := g.begin(&h); err != nil {
		g.mu.Unlock()
		return err
	}
	whole := g.unwanted || len(g.pending)+len(f.Payload) <= maxPending && !g.lane.backlog.full.Load()
	if !whole {
		g.mu.Unlock()
		g.announce(f.Timestamp)
		_, err := g.write(f.Payload)
		return err
	}
	g.gather(f.Payload)
	what := g.submission()
	g.mu.Unlock()
	g.announce(f.Timestamp)
	g.submit(what)
	return nil
}

// announce tells the owner that a frame has begun, unless the frame is not sent.
func (g *Group) announce(timestamp uint64) {
	if !g.unwanted {
		g.owner.FrameBegins(g, timestamp)
	}
}

// write appends p to the pending bytes, and blocks while the group or its lane has
// too many of them.
func (g *Group) write(p []byte) (written int, err error) {
	for {
		if g.lane.backlog.full.Load() {
			g.lane.backlog.wait(g)
		}
		g.mu.Lock()
		g.awaitRoom()
		if err := g.usable(); err != nil {
			g.mu.Unlock()
			return written, err
		}
		n := len(p)
		if !g.unwanted {
			n = min(n, maxPending-len(g.pending))
		}
		g.gather(p[:n])
		what := g.submission()
		g.mu.Unlock()
		g.submit(what)
		written += n
		if p = p[n:]; len(p) == 0 {
			return written, nil
		}
	}
}

// awaitRoom blocks until fewer than maxPending bytes are pending, or the group is
// over. The lock is held, and released during the wait.
func (g *Group) awaitRoom() {
	for len(g.pending) >= maxPending && g.usable() == nil {
		if g.room == nil {
			g.room = sync.NewCond(&g.mu)
		}
		g.room.Wait()
	}
}

// gather appends p to the pending bytes without waiting. The lock is held.
func (g *Group) gather(p []byte) {
	if g.unwanted {
		return
	}
	g.pending = append(grow(g.pending, len(p)), p...)
	g.counted += len(p)
	g.lane.backlog.add(len(p))
}

// roomMade wakes the writer if it waits in awaitRoom. The lock is held.
func (g *Group) roomMade() {
	if g.room != nil {
		g.room.Broadcast()
	}
}

// submission returns what the caller has to pass to submit after unlocking, and
// marks the group as queued if that is not nothing. The lock is held.
func (g *Group) submission() submission {
	if g.queued || g.err != nil || len(g.pending) == 0 && !g.closed {
		return nothing
	}
	g.queued = true
	g.counted += groupOverhead
	g.lane.backlog.add(groupOverhead)
	if g.stream == nil {
		return firstFrames
	}
	return moreFrames
}

// submit enqueues the group. No lock is held.
func (g *Group) submit(what submission) {
	if what != nothing {
		g.lane.queue.submit(g, what)
	}
}

// StartFrame implements [api.GroupWriter].
func (g *Group) StartFrame(h api.FrameHeader) (io.Writer, error) {
	m := message.FrameHeader{Timestamp: h.Timestamp, Size: h.Size}
	if err := g.check(&m); err != nil {
		return nil, err
	}
	g.mu.Lock()
	if err := g.begin(&m); err != nil {
		g.mu.Unlock()
		return nil, err
	}
	g.left = h.Size
	what := g.submission()
	g.mu.Unlock()
	g.announce(h.Timestamp)
	g.submit(what)
	return (*bodyWriter)(g), nil
}

// bodyWriter writes the payload of a frame that StartFrame began.
type bodyWriter Group

// Write implements [io.Writer].
func (w *bodyWriter) Write(p []byte) (int, error) {
	if uint64(len(p)) > w.left {
		return 0, fmt.Errorf("group %d: %d bytes for a frame that lacks %d: %w", w.seq, len(p), w.left, io.ErrShortBuffer)
	}
	n, err := (*Group)(w).write(p)
	w.left -= uint64(n)
	return n, err
}

// SkipFrames implements [api.GroupWriter].
func (g *Group) SkipFrames(n uint64) error {
	if n == 0 {
		return nil
	}
	if n > g.wanted.First && !g.silent {
		g.Reset(&api.StreamError{Code: api.StreamNotFound}, api.StreamNotFound)
		return fmt.Errorf("group %d: the first %d frames are wanted: %w", g.seq, n, api.ErrNotFound)
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if err := g.usable(); err != nil {
		return err
	}
	if g.frames > 0 {
		return fmt.Errorf("group %d: frames are skipped before the first, and once", g.seq)
	}
	g.frames = n
	return nil
}

// Close implements [api.GroupWriter].
func (g *Group) Close() error {
	if left := g.left; left > 0 {
		g.Reset(&api.StreamError{Code: api.StreamWrongSize}, api.StreamWrongSize)
		return fmt.Errorf("group %d: the last frame is short by %d bytes, the group was reset", g.seq, left)
	}
	g.mu.Lock()
	if err := g.err; err != nil {
		g.mu.Unlock()
		if errors.Is(err, api.ErrClosed) {
			return nil
		}
		return fmt.Errorf("group %d: %w", g.seq, err)
	}
	if g.closed {
		g.mu.Unlock()
		return nil
	}
	g.closed = true
	if g.silent {
		g.mu.Unlock()
		g.finish(Ending{Err: api.ErrClosed})
		return nil
	}
	g.opening()
	begun := g.stream != nil
	if begun && !g.queued && len(g.pending) == 0 {
		waited := g.waited
		g.mu.Unlock()
		g.end(waited)
		return nil
	}
	what := g.submission()
	g.mu.Unlock()
	g.submit(what)
	if begun {
		g.lane.queue.closed(g)
	}
	return nil
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

// An Ending is how a group has ended.
type Ending struct {
	Err   error               // what later calls of the writer return
	Reset bool                // the stream was reset rather than closed
	Code  api.StreamErrorCode // of the reset
}

// finish marks the group as over, removes it from the queue, wakes its writer and
// tells its owner. It returns the group's stream, nil if it has none. Only the
// first call has an effect; later ones return nil.
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
	g.pending, g.counted = nil, 0
	g.roomMade()
	g.life.End(end.Err)
	stream := g.stream
	g.mu.Unlock()
	g.lane.backlog.remove(counted)
	g.lane.backlog.groupOver()
	g.lane.queue.remove(g)
	g.owner.GroupDone(g, end)
	return stream
}

func (g *Group) over() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.done
}

// IsOpen reports whether frames may still be written.
func (g *Group) IsOpen() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return !g.closed && g.err == nil
}
