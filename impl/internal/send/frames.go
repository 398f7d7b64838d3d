package send

import (
	"errors"
	"fmt"
	"io"

	"github.com/moqlite/moqlite/api"
	"github.com/moqlite/moqlite/impl/internal/message"
)

// headerRoom is enough for a frame header and the header of most groups.
const headerRoom = 48

// WriteFrame implements [api.GroupWriter].
func (g *Group) WriteFrame(f api.Frame) error {
	h := message.FrameHeader{Timestamp: f.Timestamp, Size: uint64(len(f.Payload))}
	n, err := g.begin(&h, f.Payload)
	if err == nil && n < len(f.Payload) {
		_, err = g.write(f.Payload[n:])
	}
	return err
}

// StartFrame implements [api.GroupWriter].
func (g *Group) StartFrame(h api.FrameHeader) (io.Writer, error) {
	m := message.FrameHeader{Timestamp: h.Timestamp, Size: h.Size}
	if _, err := g.begin(&m, nil); err != nil {
		return nil, err
	}
	g.left = h.Size
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

// begin begins a frame. It gathers the header and as much of the payload p as admission
// allows at once, and returns how much. It does not wait before it has told the owner of
// the frame, which may make room by resetting groups that are too old now; then it waits
// only after an empty frame. A frame that the subscriber does not want is counted, but not
// sent.
func (g *Group) begin(h *message.FrameHeader, p []byte) (n int, err error) {
	if err := g.check(h); err != nil {
		return 0, err
	}
	g.mu.Lock()
	n, what, err := g.gatherFrame(h, p)
	g.mu.Unlock()
	if err != nil || g.unwanted {
		return n, err
	}
	g.owner.FrameBegins(g, h.Timestamp)
	if what != nothing {
		g.lane.queue.submit(g, what)
	}
	if h.Size == 0 { // it has no payload for which write would wait
		g.lane.admission.wait(g, anyHold)
	}
	return n, nil
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

// gatherFrame gathers what begin says, and returns what the writer has to submit after
// unlocking. The lock is held.
func (g *Group) gatherFrame(h *message.FrameHeader, p []byte) (n int, what submission, err error) {
	if g.closed || g.err != nil {
		return 0, nothing, g.usable()
	}
	g.unwanted = !g.wants(g.frames)
	g.frames++
	if g.unwanted {
		return len(p), nothing, nil
	}
	g.pending = grow(g.pending, int(min(h.Size, uint64(g.room())))+headerRoom)
	g.gatherHeader()
	g.pending = h.Append(g.lane.queue.version, g.pending, g.timestamp)
	g.timestamp = h.Timestamp
	if g.lane.admission.holds.Load() == 0 {
		n = min(len(p), g.room())
	}
	if n == 0 && len(p) > 0 {
		return 0, nothing, nil // the header is submitted with what follows it
	}
	g.gather(p[:n])
	return n, g.submission(), nil
}

// wants reports whether the subscriber wants a frame of the group.
func (g *Group) wants(frame uint64) bool { return !g.silent && g.wanted.contain(frame) }

// gatherHeader gathers the group's header, unless it was done before. The lock is held.
func (g *Group) gatherHeader() {
	if !g.begun {
		g.begun = true
		g.pending = g.owner.AppendHeader(g.pending, g, g.wanted.First)
	}
}

// room returns how many more bytes the group may have pending. The lock is held.
func (g *Group) room() int { return max(maxPending-len(g.pending), 0) }

// roomLeft is room for callers that do not hold the lock. over tells that no more frames
// may be written.
func (g *Group) roomLeft() (room int, over bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.room(), g.closed || g.err != nil
}

// write gathers p, and blocks for as long as admission allows nothing.
func (g *Group) write(p []byte) (written int, err error) {
	for written < len(p) {
		n, what, err := g.gatherMore(p[written:])
		if err != nil {
			return written, err
		}
		if what != nothing {
			g.lane.queue.submit(g, what)
		}
		written += n
	}
	return written, nil
}

// gatherMore gathers as much of p as admission allows. It blocks while that is nothing.
func (g *Group) gatherMore(p []byte) (n int, what submission, err error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	room := g.room()
	if !g.unwanted && (room == 0 || g.lane.admission.holds.Load() != 0) {
		g.mu.Unlock()
		room = g.lane.admission.wait(g, anyHold)
		g.mu.Lock()
	}
	if err := g.usable(); err != nil {
		return 0, nothing, err
	}
	if g.unwanted {
		return len(p), nothing, nil
	}
	n = min(len(p), room)
	g.gather(p[:n])
	return n, g.submission(), nil
}

// gather appends p to the pending bytes. The lock is held.
func (g *Group) gather(p []byte) {
	g.pending = append(grow(g.pending, len(p)), p...)
	if g.uncounted += len(p); g.uncounted >= countStep {
		g.count(0)
	}
}

// count counts what was gathered, and overhead besides, in the backlog. The lock is held.
func (g *Group) count(overhead int) {
	n := g.uncounted + overhead
	g.uncounted = 0
	g.counted += n
	g.lane.admission.add(n)
}

// A submission is what a group has to send when its writer submits it.
type submission uint8

const (
	nothing     submission = iota
	firstFrames            // its stream is not open yet
	moreFrames             // its stream is open
	sharedFrame            // one frame, of which nothing is gathered (shared.go)
	justEnd                // it is closed, and everything is written
)

// submission returns what the writer has to submit after unlocking. Unless that is
// nothing or justEnd, the group counts as queued from now on: a write will take its
// pending bytes, with those that the writer adds until then. The lock is held.
func (g *Group) submission() submission {
	switch {
	case g.queued, g.err != nil, len(g.pending) == 0 && !g.closed:
		return nothing
	case len(g.pending) == 0 && g.stream.isOpen():
		return justEnd
	}
	g.queued = true
	g.count(groupOverhead)
	if !g.stream.isOpen() {
		return firstFrames
	}
	return moreFrames
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
	if !g.begun && !g.silent && g.lane.admission.holds.Load()&tooFast != 0 {
		g.lane.admission.wait(g, tooFast) // as a frame would: nothing else holds a writer of empty groups
	}
	what, err := g.close()
	switch {
	case errors.Is(err, api.ErrClosed):
		return nil
	case err != nil:
		return err
	case g.silent:
		g.finish(Ending{Err: api.ErrClosed})
	default:
		g.lane.queue.submitEnd(g, what)
	}
	return nil
}

// close notes that no more frames follow, and returns what is to be submitted.
func (g *Group) close() (what submission, err error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if err := g.usable(); err != nil {
		return nothing, err
	}
	g.closed = true
	if g.silent {
		return nothing, nil
	}
	g.gatherHeader()
	return g.submission(), nil
}
