package redial

import (
	"io"
	"sync"
	"sync/atomic"

	"github.com/moqlite/moqlite/api"
	"github.com/moqlite/moqlite/impl/internal/signal"
)

// A group is one of a session beneath, which is not closed in good order before
// the group has been read or cancelled.
type group struct {
	api.GroupReader

	// ended is told once how reading has ended: io.EOF, an error, or
	// api.ErrClosed where the reader has cancelled it. What it returns is the
	// reader's error.
	ended func(err error) error

	first uint64        // index of the first frame for the reader
	skip  uint64        // frames before that are yet to come; the reader's own
	next  atomic.Uint64 // index of the first frame that the reader has not had wholly
	body  body          // of the last NextFrame

	once sync.Once
	err  error // the reader's, after once

	// Guarded by the track's lock, and unused in a fetch.
	by   *feed // that has brought it
	is   outcome
	lost bool         // it has broken off since its session ended, or was about to
	over signal.Event // the outcome is known
}

// An outcome is what has become of a group.
type outcome int

const (
	unfinished outcome = iota // it is read, or waits for its reader
	whole
	broken    // it has ended with an error
	cancelled // by its reader
)

// newGroup is g for a reader who has had the frames before from.
func newGroup(g api.GroupReader, from uint64, ended func(*group, error) error) *group {
	out := &group{GroupReader: g, first: max(from, g.FirstFrame())}
	out.skip = out.first - g.FirstFrame()
	out.next.Store(out.first)
	out.ended = func(err error) error { return ended(out, err) }
	return out
}

// FirstFrame implements [api.GroupReader].
func (g *group) FirstFrame() uint64 { return g.first }

// ReadFrame implements [api.GroupReader].
func (g *group) ReadFrame(f *api.Frame) error {
	err := g.skipFrames()
	if err == nil {
		err = g.GroupReader.ReadFrame(f)
	}
	if err != nil {
		return g.end(err)
	}
	g.leaveBody()
	g.next.Add(1)
	return nil
}

// NextFrame implements [api.GroupReader].
func (g *group) NextFrame() (h api.FrameHeader, payload io.Reader, err error) {
	err = g.skipFrames()
	if err == nil {
		h, payload, err = g.GroupReader.NextFrame()
	}
	if err != nil {
		return api.FrameHeader{}, nil, g.end(err)
	}
	g.leaveBody()
	g.body = body{group: g, payload: payload, left: h.Size}
	if h.Size == 0 {
		g.next.Add(1)
	}
	return h, &g.body, nil
}

// leaveBody counts a frame of which the reader does not want the rest.
func (g *group) leaveBody() {
	if g.body.left > 0 {
		g.body.took(g.body.left)
	}
}

// A body is the payload of a frame that is read while it arrives. Where that
// fails, the group has broken off.
type body struct {
	group   *group
	payload io.Reader
	left    uint64 // bytes that the reader has not had
	to      writer // of WriteTo
}

// Read implements [io.Reader].
func (b *body) Read(p []byte) (int, error) {
	n, err := b.payload.Read(p)
	b.took(uint64(n))
	if err != nil && err != io.EOF {
		err = b.group.end(err)
	}
	return n, err
}

// WriteTo implements [io.WriterTo].
func (b *body) WriteTo(w io.Writer) (int64, error) {
	b.to = writer{Writer: w}
	n, err := io.Copy(&b.to, b.payload)
	b.took(uint64(n))
	if err != nil && b.to.err == nil {
		err = b.group.end(err)
	}
	b.to = writer{}
	return n, err
}

// A writer keeps its error apart from that of what is read.
type writer struct {
	io.Writer
	err error
}

// Write implements [io.Writer].
func (w *writer) Write(p []byte) (n int, err error) {
	n, w.err = w.Writer.Write(p)
	return n, w.err
}

func (b *body) took(n uint64) {
	if n == 0 || b.left == 0 {
		return
	}
	b.left -= min(n, b.left)
	if b.left == 0 {
		b.group.next.Add(1)
	}
}

// skipFrames reads over the frames that the reader has had.
func (g *group) skipFrames() error {
	for ; g.skip > 0; g.skip-- {
		_, payload, err := g.GroupReader.NextFrame()
		if err == nil {
			_, err = io.Copy(io.Discard, payload)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// Cancel implements [api.GroupReader].
func (g *group) Cancel(code api.StreamErrorCode) {
	g.GroupReader.Cancel(code)
	_ = g.end(api.ErrClosed)
}

// end is the error of reading that has ended with err.
func (g *group) end(err error) error {
	g.once.Do(func() { g.err = g.ended(err) })
	return g.err
}
