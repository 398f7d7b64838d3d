package session

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"

	"github.com/moqlite/moqlite/api"
	"github.com/moqlite/moqlite/impl/internal/message"
	"github.com/moqlite/moqlite/transport"
)

const (
	// maxPending is how much of a group is gathered before its writer waits.
	maxPending = 64 << 10

	// smallGroup is how much a group gathers without memory of its own.
	smallGroup = 160

	// headerRoom is enough for the header of a frame, and of most groups.
	headerRoom = 48
)

// groupWriter writes a group. It implements [api.GroupWriter].
//
// What is written gathers in a buffer, which egress empties in one write as
// soon as it is the group's turn; so a frame costs no goroutine and no wait
// while the link keeps up.
type groupWriter struct {
	flow   *flow
	owner  groupOwner
	seq    api.GroupSequence
	silent bool   // the subscriber does not want it: nothing is sent
	bounds bounds // what of it the subscriber wants

	// Of the writing goroutine.
	frames    uint64 // begun, or skipped
	timestamp uint64 // of the last frame that is sent
	begun     bool   // the header is written
	body      bodyWriter

	// Guarded by the owner, which finds out by them when it is too old.
	stamped  bool   // has a frame
	followed bool   // there is a later group,
	next     uint64 // the first timestamp of which this is

	mu        sync.Mutex
	stream    transport.SendStream // opened at the first flush, by who flushes
	room      sync.Cond            // pending was taken, or the group is over
	pending   []byte
	spare     []byte // the buffer that is not pending, between flushes
	counted   int    // of pending, in the track's backlog
	queued    bool   // with egress: pending will be taken
	urgency   int8   // of the stream; written with the lock of the egress too
	closed    bool   // no more frames
	err       error  // the group is over, and why
	done      bool   // off the books
	watched   bool   // by a caller of Context
	ctx       context.Context
	cancelCtx context.CancelCauseFunc

	// Guarded by egress.mu.
	active       bool // on the books,
	newer, older *groupWriter
	part         bool // of it is written
	place        int  // in the ranking of its track, from 1; 0 when not there
	slot         slot

	out   delivery
	small [smallGroup]byte
}

var _ api.GroupWriter = (*groupWriter)(nil)

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
	g := &groupWriter{flow: f, owner: owner, seq: seq, bounds: wanted}
	g.room.L = &g.mu
	g.body.group = g
	g.pending = g.small[:0]
	return g
}

// Sequence implements [api.GroupWriter].
func (g *groupWriter) Sequence() api.GroupSequence { return g.seq }

// Context implements [api.GroupWriter].
func (g *groupWriter) Context() context.Context {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.watched = true
	g.watch()
	return g.life()
}

// lifetime is what Context returns, for uses within.
func (g *groupWriter) lifetime() context.Context {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.life()
}

// life ends with the group. The lock is held.
func (g *groupWriter) life() context.Context {
	if g.ctx == nil {
		g.ctx, g.cancelCtx = context.WithCancelCause(context.Background())
		if g.err != nil {
			g.cancelCtx(g.err)
		}
	}
	return g.ctx
}

// watch has the subscriber's refusal end the group, even while nothing is
// written, if somebody looks at its context. The lock is held.
func (g *groupWriter) watch() {
	if !g.watched || g.stream == nil || g.err != nil {
		return
	}
	stream := g.stream
	context.AfterFunc(stream.Context(), func() {
		if err := context.Cause(stream.Context()); errors.As(err, new(*transport.StreamError)) {
			g.fail(streamError(err))
		}
	})
}

// begin checks that a frame may begin and appends its header. A frame that is
// not wanted is taken, and left out.
func (g *groupWriter) begin(timestamp, size uint64) error {
	if g.body.left > 0 {
		g.reset(&api.StreamError{Code: api.StreamWrongSize}, api.StreamWrongSize)
		return fmt.Errorf("group %d: the frame before is short by %d bytes, the group was reset", g.seq, g.body.left)
	}
	v := g.flow.session.version
	h := message.FrameHeader{Timestamp: timestamp, Size: size}
	if err := h.Validate(v, g.timestamp); err != nil {
		return fmt.Errorf("group %d: frame: %w", g.seq, err)
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if err := g.usable(); err != nil {
		return err
	}
	g.body.unwanted = g.silent || !g.bounds.contain(g.frames)
	g.frames++
	if g.body.unwanted {
		return nil
	}
	g.pending = grow(g.pending, int(min(size, uint64(max(maxPending-len(g.pending), 0))))+headerRoom)
	g.opening()
	g.pending = h.Append(v, g.pending, g.timestamp)
	g.timestamp = timestamp
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

// write gathers p, waiting for room.
func (g *groupWriter) write(p []byte) (written int, err error) {
	for {
		if g.flow.backlog.full.Load() {
			g.flow.backlog.wait(g)
		}
		g.mu.Lock()
		for len(g.pending) >= maxPending && g.usable() == nil {
			g.room.Wait()
		}
		if err := g.usable(); err != nil {
			g.mu.Unlock()
			return written, err
		}
		n := len(p)
		if !g.body.unwanted {
			n = min(n, maxPending-len(g.pending))
			g.pending = append(grow(g.pending, n), p[:n]...)
			g.counted += n
			g.flow.backlog.add(n)
		}
		g.submitAndUnlock()
		written += n
		if p = p[n:]; len(p) == 0 {
			return written, nil
		}
	}
}

// submitAndUnlock has what is pending go out, or the end. The lock is held, and
// released.
func (g *groupWriter) submitAndUnlock() {
	submit, what := !g.queued && g.err == nil && (len(g.pending) > 0 || g.closed), moreFrames
	switch {
	case g.stream == nil:
		what = firstFrames
	case len(g.pending) == 0:
		what = endAlone
	}
	if submit {
		g.queued = true
		g.counted += groupOverhead
		g.flow.backlog.add(groupOverhead)
	}
	g.mu.Unlock()
	if submit {
		g.flow.session.egress.submit(g, what)
	}
}

// WriteFrame implements [api.GroupWriter].
func (g *groupWriter) WriteFrame(f api.Frame) error {
	if err := g.begin(f.Timestamp, uint64(len(f.Payload))); err != nil {
		return err
	}
	g.announce(f.Timestamp)
	_, err := g.write(f.Payload)
	return err
}

// announce tells the owner of the frame that has begun.
func (g *groupWriter) announce(timestamp uint64) {
	if !g.body.unwanted {
		g.owner.frameBegins(g, timestamp)
	}
}

// StartFrame implements [api.GroupWriter].
func (g *groupWriter) StartFrame(h api.FrameHeader) (io.Writer, error) {
	if err := g.begin(h.Timestamp, h.Size); err != nil {
		return nil, err
	}
	g.announce(h.Timestamp)
	g.body.left = h.Size
	g.mu.Lock()
	g.submitAndUnlock()
	return &g.body, nil
}

// bodyWriter writes the payload of a frame whose size is told.
type bodyWriter struct {
	group    *groupWriter
	left     uint64
	unwanted bool // the frame is not sent
}

// Write implements [io.Writer].
func (w *bodyWriter) Write(p []byte) (int, error) {
	if uint64(len(p)) > w.left {
		return 0, fmt.Errorf("group %d: %d bytes for a frame that lacks %d: %w", w.group.seq, len(p), w.left, io.ErrShortBuffer)
	}
	n, err := w.group.write(p)
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
	if left := g.body.left; left > 0 {
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
	g.submitAndUnlock()
	if begun {
		g.flow.session.egress.closed(g)
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
	recycle(g.spare)
	g.pending, g.spare = nil, nil
	counted := g.counted
	g.counted = 0
	g.room.Broadcast()
	if g.cancelCtx != nil {
		g.cancelCtx(end.err)
	}
	stream := g.stream
	g.mu.Unlock()
	g.flow.backlog.remove(counted)
	g.flow.backlog.groupOver()
	g.flow.session.egress.remove(g)
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
