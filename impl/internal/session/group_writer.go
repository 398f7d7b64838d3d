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

	// maxTrackPending is the same for all groups of a subscription: a handler
	// that is faster than the link waits, however many groups it opens.
	maxTrackPending = 1 << 20
)

// groupWriter writes a group. It implements [api.GroupWriter].
//
// What is written gathers in a buffer, which egress empties in one write as
// soon as it is the group's turn; so a frame costs no goroutine and no wait
// while the link keeps up.
type groupWriter struct {
	track *publication
	seq   api.GroupSequence

	silent bool // the subscriber does not want it: nothing is sent

	// Of the writing goroutine.
	timestamp uint64 // of the last frame
	begun     bool   // a frame was written, or skipped to
	body      bodyWriter

	mu        sync.Mutex
	stream    transport.SendStream // opened at the first flush
	room      sync.Cond            // pending was taken, or the group is over
	pending   []byte
	spare     []byte // the buffer that is not pending, between flushes
	counted   int    // of pending, in the track's backlog
	queued    bool   // with egress: pending will be taken
	closed    bool   // no more frames
	err       error  // the group is over, and why
	done      bool   // off the books
	watched   bool   // by a caller of Context
	ctx       context.Context
	cancelCtx context.CancelCauseFunc
}

var _ api.GroupWriter = (*groupWriter)(nil)

func newGroupWriter(p *publication, seq api.GroupSequence) *groupWriter {
	g := &groupWriter{track: p, seq: seq}
	g.room.L = &g.mu
	g.body.group = g
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

// begin checks that a frame may begin and appends its header.
func (g *groupWriter) begin(timestamp, size uint64) error {
	if g.body.left > 0 {
		g.reset(&api.StreamError{Code: api.StreamWrongSize}, api.StreamWrongSize)
		return fmt.Errorf("group %d: the frame before is short by %d bytes, the group was reset", g.seq, g.body.left)
	}
	v := g.track.session.version
	h := message.FrameHeader{Timestamp: timestamp, Size: size}
	if err := h.Validate(v, g.timestamp); err != nil {
		return fmt.Errorf("group %d: frame: %w", g.seq, err)
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if err := g.usable(); err != nil {
		return err
	}
	if g.silent {
		return nil
	}
	g.opening(0)
	g.pending = h.Append(v, g.pending, g.timestamp)
	g.timestamp = timestamp
	g.begun = true
	return nil
}

// opening puts the stream's type and header in front, if it is not there. The
// lock is held.
func (g *groupWriter) opening(firstFrame uint64) {
	if g.begun {
		return
	}
	v := g.track.session.version
	m := message.Group{Subscribe: g.track.id, Sequence: uint64(g.seq), StartFrame: firstFrame}
	g.pending = v.AppendVarint(g.pending, uint64(message.StreamGroup))
	g.pending = m.Append(v, g.pending)
	g.begun = true
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
		g.track.backlog.wait(g)
		g.mu.Lock()
		for len(g.pending) >= maxPending && g.usable() == nil {
			g.room.Wait()
		}
		if err := g.usable(); err != nil {
			g.mu.Unlock()
			return written, err
		}
		n := len(p)
		if !g.silent {
			n = min(n, maxPending-len(g.pending))
			g.pending = append(g.pending, p[:n]...)
			g.counted += n
			g.track.backlog.add(n)
		}
		g.submitAndUnlock()
		written += n
		if p = p[n:]; len(p) == 0 {
			return written, nil
		}
	}
}

// submitAndUnlock has what is pending go out. The lock is held, and released.
func (g *groupWriter) submitAndUnlock() {
	submit := !g.queued && g.err == nil && !g.silent
	g.queued = g.queued || submit
	g.mu.Unlock()
	if submit {
		g.track.session.egress.submit(g)
	}
}

// WriteFrame implements [api.GroupWriter].
func (g *groupWriter) WriteFrame(f api.Frame) error {
	if err := g.begin(f.Timestamp, uint64(len(f.Payload))); err != nil {
		return err
	}
	_, err := g.write(f.Payload)
	return err
}

// StartFrame implements [api.GroupWriter].
func (g *groupWriter) StartFrame(h api.FrameHeader) (io.Writer, error) {
	if err := g.begin(h.Timestamp, h.Size); err != nil {
		return nil, err
	}
	g.body.left = h.Size
	g.mu.Lock()
	g.submitAndUnlock()
	return &g.body, nil
}

// bodyWriter writes the payload of a frame whose size is told.
type bodyWriter struct {
	group *groupWriter
	left  uint64
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
	if !g.track.wantsFrom(g.seq, n) {
		g.reset(&api.StreamError{Code: api.StreamNotFound}, api.StreamNotFound)
		return fmt.Errorf("group %d: the first %d frames are wanted: %w", g.seq, n, api.ErrNotFound)
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if err := g.usable(); err != nil {
		return err
	}
	if g.begun {
		return fmt.Errorf("group %d: frames are skipped before the first, and once", g.seq)
	}
	if !g.silent {
		g.opening(n)
	}
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
		g.finish(api.ErrClosed, true)
		return nil
	}
	g.opening(0)
	g.submitAndUnlock()
	return nil
}

// Cancel implements [api.GroupWriter].
func (g *groupWriter) Cancel(code api.StreamErrorCode) { g.reset(api.ErrClosed, code) }

// reset ends the group here: err is what its writer gets from now on.
func (g *groupWriter) reset(err error, code api.StreamErrorCode) {
	if stream := g.finish(err, false); stream != nil {
		stream.CancelWrite(uint64(code))
	}
}

// fail ends the group because of what happened to its stream or session.
func (g *groupWriter) fail(err error) { g.reset(err, api.StreamCancelled) }

// finish makes err the end of the group, in order or not, and returns its
// stream. The first end wins; a later one returns nil.
func (g *groupWriter) finish(err error, inOrder bool) transport.SendStream {
	g.mu.Lock()
	if g.done {
		g.mu.Unlock()
		return nil
	}
	g.done = true
	g.err = err
	g.pending, g.spare = nil, nil
	counted := g.counted
	g.counted = 0
	g.room.Broadcast()
	if g.cancelCtx != nil {
		g.cancelCtx(err)
	}
	stream := g.stream
	g.mu.Unlock()
	g.track.backlog.remove(counted)
	g.track.session.egress.remove(g)
	g.track.groupDone(g, inOrder, err)
	return stream
}

// flush writes what is pending, and ends the stream after the last of it. It
// tells whether more has gathered meanwhile.
func (g *groupWriter) flush() (more bool) {
	stream, err := g.open()
	if err != nil {
		g.fail(err)
		return false
	}
	g.mu.Lock()
	if g.done {
		g.mu.Unlock()
		return false
	}
	buf, counted := g.pending, g.counted
	g.pending, g.spare, g.counted = g.spare[:0], nil, 0
	g.room.Broadcast()
	g.mu.Unlock()

	if len(buf) > 0 {
		_, err := stream.Write(buf)
		g.track.backlog.remove(counted)
		if err != nil {
			g.fail(streamError(err))
			return false
		}
	}

	g.mu.Lock()
	if g.done {
		g.mu.Unlock()
		return false
	}
	g.spare = buf[:0]
	if len(g.pending) > 0 {
		g.mu.Unlock()
		return true
	}
	g.queued = false
	last := g.closed
	g.mu.Unlock()
	if last {
		g.end(stream)
	}
	return false
}

// open returns the group's stream, opening it at first: that may wait for the
// peer's limit, but no longer than for the group.
func (g *groupWriter) open() (transport.SendStream, error) {
	g.mu.Lock()
	stream, life := g.stream, context.Context(nil)
	if stream == nil {
		life = g.life()
	}
	g.mu.Unlock()
	if stream != nil {
		return stream, nil
	}
	stream, err := g.track.session.conn.OpenUniStream(life)
	if err != nil {
		return nil, streamError(err)
	}
	g.mu.Lock()
	g.stream = stream
	gone := g.done
	g.watch()
	g.mu.Unlock()
	if gone {
		stream.CancelWrite(uint64(api.StreamCancelled))
	}
	return stream, nil
}

// end ends the stream in order.
func (g *groupWriter) end(stream transport.SendStream) {
	if err := stream.Close(); err != nil {
		g.fail(streamError(err))
		return
	}
	g.finish(api.ErrClosed, true)
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
