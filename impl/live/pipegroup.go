package live

import (
	"context"
	"fmt"
	"io"
	"slices"
	"sync"

	"github.com/moqlite/moqlite/api"
)

// A pipeGroup hands the frames of a group from its writer to its reader: the
// writer waits until the reader has copied the payload. It implements
// [api.GroupReader].
//
// One frame at most is under way: framed is set by the writer in StartFrame and
// reset when left is 0, by whoever reads the last byte. data belongs to the
// writer's caller and is used only while Write waits, so it needs no copy. One
// of each side's methods may run at once.
type pipeGroup struct {
	pipe *pipe
	seq  api.GroupSequence

	mu      sync.Mutex
	change  sync.Cond // something below has changed
	skipped uint64
	framed  bool // a frame is being handed over:
	header  api.FrameHeader
	taken   bool   // the reader has its header
	left    uint64 // bytes of its payload that are not read
	data    []byte // the part of these that the writer has passed
	closed  bool   // the writer has closed the group
	ended   bool   // the reader has seen that
	lost    error  // what the reader gets: why the group was given up
	ctx     context.Context
	cancel  context.CancelCauseFunc // with the writer's error; wakes nobody: change.Broadcast does
}

var (
	_ api.GroupReader = (*pipeGroup)(nil)
	_ api.GroupWriter = (*pipeWriter)(nil)
)

func newPipeGroup(p *pipe, seq api.GroupSequence) *pipeGroup {
	g := &pipeGroup{pipe: p, seq: seq}
	g.change.L = &g.mu
	g.ctx, g.cancel = context.WithCancelCause(context.Background())
	return g
}

// Sequence implements [api.GroupReader] and [api.GroupWriter].
func (g *pipeGroup) Sequence() api.GroupSequence { return g.seq }

// FirstFrame implements [api.GroupReader].
func (g *pipeGroup) FirstFrame() uint64 {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.skipped
}

// cancelError returns why the group was given up, or nil.
func (g *pipeGroup) cancelError() error {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.lost
}

// endGroup ends the group, with an error for each side.
func (g *pipeGroup) endGroup(reader, writer error) {
	g.mu.Lock()
	if g.lost == nil {
		g.lost = reader
	}
	lost := g.lost
	g.cancel(writer)
	g.change.Broadcast()
	g.mu.Unlock()
	g.pipe.removeGroup(g, lost)
}

// Cancel implements [api.GroupReader].
func (g *pipeGroup) Cancel(code api.StreamErrorCode) {
	g.endGroup(api.ErrClosed, &api.StreamError{Code: code, Remote: true})
}

// nextFrame waits for the next frame and skips what was not read of the one before.
func (g *pipeGroup) nextFrame() (api.FrameHeader, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for {
		switch {
		case g.lost != nil:
			return api.FrameHeader{}, g.lost
		case g.framed && !g.taken:
			g.taken = true
			g.finishFrame()
			return g.header, nil
		case g.framed && len(g.data) > 0:
			g.consume(len(g.data))
			continue
		case g.closed && !g.framed:
			g.ended = true
			g.change.Broadcast()
			return api.FrameHeader{}, io.EOF
		}
		g.change.Wait()
	}
}

// consume marks n bytes of data as read. The lock is held.
func (g *pipeGroup) consume(n int) {
	g.data = g.data[n:]
	g.left -= uint64(n)
	g.finishFrame()
	if len(g.data) == 0 {
		g.change.Broadcast()
	}
}

// finishFrame makes room for the next frame if this one is read. The lock is
// held.
func (g *pipeGroup) finishFrame() {
	if g.left == 0 {
		g.framed, g.taken = false, false
		g.change.Broadcast()
	}
}

// ReadFrame implements [api.GroupReader].
func (g *pipeGroup) ReadFrame(f *api.Frame) error {
	h, err := g.nextFrame()
	if err != nil {
		return err
	}
	f.Timestamp, f.Payload = h.Timestamp, f.Payload[:0]
	for left := h.Size; left > 0; {
		err := g.readPayload(left, func(data []byte) (int, error) {
			f.Payload = append(slices.Grow(f.Payload, len(data)), data...)
			return len(data), nil
		})
		if err != nil {
			return err
		}
		left = h.Size - uint64(len(f.Payload))
	}
	return nil
}

// readPayload waits for payload of a frame that has left unread bytes, and
// passes what is there to use, which returns how many bytes it has used.
func (g *pipeGroup) readPayload(left uint64, use func([]byte) (int, error)) error {
	if left == 0 {
		return io.EOF
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	for len(g.data) == 0 && g.lost == nil {
		g.change.Wait()
	}
	if g.lost != nil {
		return g.lost
	}
	n, err := use(g.data)
	g.consume(n)
	return err
}

// NextFrame implements [api.GroupReader].
func (g *pipeGroup) NextFrame() (api.FrameHeader, io.Reader, error) {
	h, err := g.nextFrame()
	if err != nil {
		return api.FrameHeader{}, nil, err
	}
	return h, &pipePayload{g, h.Size}, nil
}

// A pipePayload reads the rest of a frame.
type pipePayload struct {
	group *pipeGroup
	left  uint64
}

var _ io.WriterTo = (*pipePayload)(nil)

// Read implements [io.Reader].
func (p *pipePayload) Read(b []byte) (n int, err error) {
	if len(b) == 0 {
		return 0, nil
	}
	err = p.group.readPayload(p.left, func(data []byte) (int, error) {
		n = copy(b, data)
		return n, nil
	})
	p.left -= uint64(n)
	return n, err
}

// WriteTo implements [io.WriterTo]. It writes the track's own bytes, without a
// copy.
func (p *pipePayload) WriteTo(w io.Writer) (written int64, err error) {
	for p.left > 0 && err == nil {
		var n int
		err = p.group.readPayload(p.left, func(data []byte) (_ int, err error) {
			n, err = w.Write(data)
			return n, err
		})
		p.left -= uint64(n)
		written += int64(n)
	}
	return written, err
}

// A pipeWriter is the writer's end of a pipeGroup.
type pipeWriter struct {
	*pipeGroup
	lacks uint64 // bytes missing of the frame that is being written
}

// Context implements [api.GroupWriter].
func (w *pipeWriter) Context() context.Context { return w.ctx }

// WriteFrame implements [api.GroupWriter]. It returns when the frame was read.
func (w *pipeWriter) WriteFrame(f api.Frame) error {
	body, err := w.StartFrame(api.FrameHeader{Timestamp: f.Timestamp, Size: uint64(len(f.Payload))})
	if err == nil && len(f.Payload) > 0 {
		_, err = body.Write(f.Payload)
	}
	return err
}

// StartFrame implements [api.GroupWriter].
func (w *pipeWriter) StartFrame(h api.FrameHeader) (io.Writer, error) {
	g := w.pipeGroup
	g.mu.Lock()
	defer g.mu.Unlock()
	for g.framed && g.ctx.Err() == nil {
		g.change.Wait()
	}
	if g.ctx.Err() != nil {
		return nil, context.Cause(g.ctx)
	}
	g.framed, g.taken, g.header, g.left = true, false, h, h.Size
	w.lacks = h.Size
	g.change.Broadcast()
	return (*pipeBody)(w), nil
}

// A pipeBody writes the payload of a frame.
type pipeBody pipeWriter

// Write implements [io.Writer].
func (b *pipeBody) Write(p []byte) (int, error) {
	g := b.pipeGroup
	if uint64(len(p)) > b.lacks {
		return 0, fmt.Errorf("group %d: %d bytes written to a frame with %d bytes left: %w", g.seq, len(p), b.lacks, io.ErrShortBuffer)
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	g.data = p
	g.change.Broadcast()
	for len(g.data) > 0 && g.ctx.Err() == nil {
		g.change.Wait()
	}
	n := len(p) - len(g.data)
	g.data = nil
	b.lacks -= uint64(n)
	if n < len(p) {
		return n, context.Cause(g.ctx)
	}
	return n, nil
}

// SkipFrames implements [api.GroupWriter].
func (w *pipeWriter) SkipFrames(n uint64) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.skipped = n
	return nil
}

// Close implements [api.GroupWriter]. It returns when the reader has seen the
// end.
func (w *pipeWriter) Close() error {
	g := w.pipeGroup
	g.mu.Lock()
	g.closed = true
	g.change.Broadcast()
	for !g.ended && g.ctx.Err() == nil {
		g.change.Wait()
	}
	g.mu.Unlock()
	g.cancel(api.ErrClosed)
	g.pipe.removeGroup(g, nil)
	return nil
}

// Cancel implements [api.GroupWriter].
func (w *pipeWriter) Cancel(code api.StreamErrorCode) {
	w.endGroup(&api.StreamError{Code: code, Remote: true}, api.ErrClosed)
}
