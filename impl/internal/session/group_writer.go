package session

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
	// maxPending is how much of a group is gathered before its writer waits. As
	// much is being written meanwhile; more would leave the processor's cache
	// before it is sent, which costs more than fewer writes save.
	maxPending = 48 << 10

	// headerRoom is enough for the header of a frame, and of most groups.
	headerRoom = 48
)

// groupWriter writes a group. It implements [api.GroupWriter].
//
// What is written gathers in a buffer, which egress empties in one write as
// soon as it is the group's turn; so a frame costs no goroutine and no wait
// while the link keeps up. A small group costs little more than this struct:
// what is needed during a write is the slot's, and the buffers are shared.
type groupWriter struct {
	flow   *flow
	owner  groupOwner
	seq    api.GroupSequence
	bounds bounds // what of it the subscriber wants

	// Of the writing goroutine.
	frames    uint64    // begun, or skipped
	timestamp uint64    // of the last frame that is sent
	left      uint64    // to be written of a frame that was started
	long      bool      // it was told to be
	unwanted  bool      // the frame is not sent
	begun     bool      // the header is written
	silent    bool      // the subscriber does not want the group: nothing is sent
	age       age.Entry // of the owner, which finds out when the group is too old

	mu      sync.Mutex
	pending []byte
	counted int                  // of pending, in the track's backlog
	stream  transport.SendStream // opened at the first flush, by who flushes
	room    *sync.Cond           // pending was taken, or the group is over; made for who waits
	err     error                // the group is over, and why
	life    transport.Life
	queued  bool // with egress: pending will be taken
	closed  bool // no more frames
	done    bool // off the books
	watched bool // by a caller of Context
	waited  bool // the last write had to wait for the transport
	urgency int8 // of the stream; written with the lock of the egress too

	// Guarded by egress.mu.
	active       bool // on the books,
	part         bool // of it is written
	newer, older *groupWriter
	place        int   // in the ranking of its track, from 1; 0 when not there
	slot         *slot // of the write under way, whose goroutine's it is
}

var _ api.SharedWriter = (*groupWriter)(nil)

// A groupOwner is whose answer a group is part of.
type groupOwner interface {
	// appendHeader appends what goes before the frames, the first of which is
	// number first.
	appendHeader(b []byte, g *groupWriter, first uint64) []byte

	// frameBegins hears of each frame that is sent, before it is.
	frameBegins(g *groupWriter, timestamp uint64)

	// groupDone hears of the group's end, once.
	groupDone(g *groupWriter, end ending)
}

// bounds are the frames of a group that are wanted: [first, end), where an end
// of 0 is none.
type bounds struct{ first, end uint64 }

func (b bounds) contain(frame uint64) bool {
	return frame >= b.first && (b.end == 0 || frame < b.end)
}

func newGroupWriter(f *flow, owner groupOwner, seq api.GroupSequence, wanted bounds) *groupWriter {
	return &groupWriter{flow: f, owner: owner, seq: seq, bounds: wanted}
}

// AgeEntry implements [age.Member].
func (g *groupWriter) AgeEntry() *age.Entry { return &g.age }

// Sequence implements [api.GroupWriter].
func (g *groupWriter) Sequence() api.GroupSequence { return g.seq }

// Context implements [api.GroupWriter].
func (g *groupWriter) Context() context.Context {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.watched = true
	g.watch()
	return g.context()
}

// lifetime is what Context returns, for uses within.
func (g *groupWriter) lifetime() context.Context {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.context()
}

// context ends with the group. The lock is held.
func (g *groupWriter) context() context.Context {
	return g.life.Context(g.err)
}

// watch has the subscriber's refusal end the group, even while nothing is
// written, if somebody looks at its context. The lock is held.
func (g *groupWriter) watch() {
	if !g.watched || g.stream == nil || g.err != nil {
		return
	}
	stream := g.stream
	context.AfterFunc(stream.Context(), func() {
		if reset, ok := errors.AsType[*transport.StreamError](context.Cause(stream.Context())); ok {
			g.fail(streamError(reset))
		}
	})
}

// check is why no frame may begin with a header, as far as the writing goroutine
// knows, or nil.
func (g *groupWriter) check(h *message.FrameHeader) error {
	if g.left > 0 {
		left := g.left
		g.reset(&api.StreamError{Code: api.StreamWrongSize}, api.StreamWrongSize)
		return fmt.Errorf("group %d: the frame before is short by %d bytes, the group was reset", g.seq, left)
	}
	if err := h.Validate(g.flow.session.version, g.timestamp); err != nil {
		return fmt.Errorf("group %d: frame: %w", g.seq, err)
	}
	return nil
}

// begin appends the header of a frame, if one may begin. A frame that is not
// wanted is taken, and left out. The lock is held.
func (g *groupWriter) begin(h *message.FrameHeader) error {
	if err := g.usable(); err != nil {
		return err
	}
	g.unwanted = g.silent || !g.bounds.contain(g.frames)
	g.frames++
	if g.unwanted {
		return nil
	}
	g.pending = grow(g.pending, int(min(h.Size, uint64(max(maxPending-len(g.pending), 0))))+headerRoom)
	g.opening()
	g.pending = h.Append(g.flow.session.version, g.pending, g.timestamp)
	g.timestamp = h.Timestamp
	return nil
}

// opening puts what goes before the frames in front, if it is not there. The
// lock is held.
func (g *groupWriter) opening() {
	if !g.begun {
		g.begun = true
		g.pending = g.owner.appendHeader(g.pending, g, g.bounds.first)
	}
}

// usable is why nothing more may be written, or nil. The lock is held.
func (g *groupWriter) usable() error {
	if g.err != nil {
		return fmt.Errorf("group %d: %w", g.seq, g.err)
	}
	if g.closed {
		return fmt.Errorf("group %d: %w", g.seq, api.ErrClosed)
	}
	return nil
}

// WriteFrame implements [api.GroupWriter].
func (g *groupWriter) WriteFrame(f api.Frame) error {
	h := message.FrameHeader{Timestamp: f.Timestamp, Size: uint64(len(f.Payload))}
	if err := g.check(&h); err != nil {
		return err
	}
	g.mu.Lock()
	if err := g.begin(&h); err != nil {
		g.mu.Unlock()
		return err
	}
	whole := g.unwanted || len(g.pending)+len(f.Payload) <= maxPending && !g.flow.backlog.full.Load()
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

// announce tells the owner of the frame that has begun.
func (g *groupWriter) announce(timestamp uint64) {
	if !g.unwanted {
		g.owner.frameBegins(g, timestamp)
	}
}

// write gathers p, waiting for room.
func (g *groupWriter) write(p []byte) (written int, err error) {
	for {
		if g.flow.backlog.full.Load() {
			g.flow.backlog.wait(g)
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

// awaitRoom waits until something more may be gathered, or the group is over.
// The lock is held, but not meanwhile.
func (g *groupWriter) awaitRoom() {
	for len(g.pending) >= maxPending && g.usable() == nil {
		if g.room == nil {
			g.room = sync.NewCond(&g.mu)
		}
		g.room.Wait()
	}
}

// gather takes in p, for which there is room. The lock is held.
func (g *groupWriter) gather(p []byte) {
	if g.unwanted {
		return
	}
	g.pending = append(grow(g.pending, len(p)), p...)
	g.counted += len(p)
	g.flow.backlog.add(len(p))
}

// roomMade wakes who waits for room. The lock is held.
func (g *groupWriter) roomMade() {
	if g.room != nil {
		g.room.Broadcast()
	}
}

// submission is what egress has to be given, which the caller sees to after
// unlocking. The lock is held.
func (g *groupWriter) submission() submission {
	if g.queued || g.err != nil || len(g.pending) == 0 && !g.closed {
		return nothing
	}
	g.queued = true
	g.counted += groupOverhead
	g.flow.backlog.add(groupOverhead)
	if g.stream == nil {
		return firstFrames
	}
	return moreFrames
}

// submit gives egress what the group has to send.
func (g *groupWriter) submit(what submission) {
	if what != nothing {
		g.flow.egress.submit(g, what)
	}
}

// StartFrame implements [api.GroupWriter].
func (g *groupWriter) StartFrame(h api.FrameHeader) (io.Writer, error) {
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

// bodyWriter writes the payload of a frame whose size is told.
type bodyWriter groupWriter

// Write implements [io.Writer].
func (w *bodyWriter) Write(p []byte) (int, error) {
	if uint64(len(p)) > w.left {
		return 0, fmt.Errorf("group %d: %d bytes for a frame that lacks %d: %w", w.seq, len(p), w.left, io.ErrShortBuffer)
	}
	n, err := (*groupWriter)(w).write(p)
	w.left -= uint64(n)
	return n, err
}

// SkipFrames implements [api.GroupWriter].
func (g *groupWriter) SkipFrames(n uint64) error {
	if n == 0 {
		return nil
	}
	if n > g.bounds.first && !g.silent {
		g.reset(&api.StreamError{Code: api.StreamNotFound}, api.StreamNotFound)
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
func (g *groupWriter) Close() error {
	if left := g.left; left > 0 {
		g.reset(&api.StreamError{Code: api.StreamWrongSize}, api.StreamWrongSize)
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
		g.finish(ending{err: api.ErrClosed})
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
		g.flow.egress.closed(g)
	}
	return nil
}

// Cancel implements [api.GroupWriter].
func (g *groupWriter) Cancel(code api.StreamErrorCode) { g.reset(api.ErrClosed, code) }

// reset ends the group here: err is what its writer gets from now on.
func (g *groupWriter) reset(err error, code api.StreamErrorCode) {
	if stream := g.finish(ending{err: err, reset: true, code: code}); stream != nil {
		stream.CancelWrite(uint64(code))
	}
}

// fail ends the group because of what happened to its stream or session.
func (g *groupWriter) fail(err error) { g.reset(err, api.StreamCancelled) }

// An ending is how a group has ended.
type ending struct {
	err   error // for its writer
	reset bool  // not in order, but
	code  api.StreamErrorCode
}

// finish ends the group and returns its stream. The first end wins; a later
// one returns nil.
func (g *groupWriter) finish(end ending) transport.SendStream {
	g.mu.Lock()
	if g.done {
		g.mu.Unlock()
		return nil
	}
	g.done = true
	g.err = end.err
	recycle(g.pending)
	counted := g.counted
	g.pending, g.counted = nil, 0
	g.roomMade()
	g.life.End(end.err)
	stream := g.stream
	g.mu.Unlock()
	g.flow.backlog.remove(counted)
	g.flow.backlog.groupOver()
	g.flow.egress.remove(g)
	g.owner.groupDone(g, end)
	return stream
}

func (g *groupWriter) over() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.done
}

// isOpen tells whether frames may still be written.
func (g *groupWriter) isOpen() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return !g.closed && g.err == nil
}
