package redial

import (
	"io"
	"sync"
	"sync/atomic"

	"github.com/moqlite/moqlite/api"
	"github.com/moqlite/moqlite/impl/internal/signal"
)

// A group is a group of a session beneath. A session that drains is kept until
// the group has been read or cancelled.
type group struct {
	api.GroupReader

	// ended is called once when reading has ended: with io.EOF, an error, or
	// api.ErrClosed if the reader has cancelled the group. It returns the error
	// for the reader.
	ended func(err error) error

	first uint64        // index of the first frame for the reader
	skip  uint64        // frames to skip before that; used by the reader alone
	next  atomic.Uint64 // index of the first frame that the reader has not had completely
	body  body          // the payload of the last NextFrame

	once sync.Once
	err  error // the reader's, after once

	// Guarded by the track's lock, and not used for a fetch.
	by        *feed      // the feed that brought it
	numbering *numbering // that it is of
	outcome   outcome
	lost      bool         // it broke off because its session ended, or was about to
	over      signal.Event // the outcome is known
	after     *group       // it broke off, and this is the same group that has come again
	followed  signal.Event // after is for the reader of this one, see resumedGroup
}

// An outcome is what has become of a group.
type outcome int

const (
	unfinished outcome = iota // it is read, or waits for its reader
	whole
	broken    // it has ended with an error
	cancelled // by its reader
)

// newGroup returns g for a reader that has had the frames before from.
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
		return g.finishReading(err)
	}
	g.skipRest()
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
		return api.FrameHeader{}, nil, g.finishReading(err)
	}
	g.skipRest()
	g.body = body{group: g, payload: payload, left: h.Size}
	if h.Size == 0 {
		g.next.Add(1)
	}
	return h, &g.body, nil
}

// skipRest counts a frame whose rest the reader does not want.
func (g *group) skipRest() {
	if g.body.left > 0 {
		g.body.countRead(g.body.left)
	}
}

// A body is the payload of a frame that is read while it arrives. If reading
// fails, the group has broken off.
type body struct {
	group   *group
	payload io.Reader
	left    uint64      // bytes that the reader has not had
	to      errorWriter // the destination of WriteTo
}

// Read implements [io.Reader].
func (b *body) Read(p []byte) (int, error) {
	n, err := b.payload.Read(p)
	b.countRead(uint64(n))
	if err != nil && err != io.EOF {
		err = b.group.finishReading(err)
	}
	return n, err
}

// WriteTo implements [io.WriterTo].
func (b *body) WriteTo(w io.Writer) (int64, error) {
	b.to = errorWriter{Writer: w}
	n, err := io.Copy(&b.to, b.payload)
	b.countRead(uint64(n))
	if err != nil && b.to.err == nil {
		err = b.group.finishReading(err)
	}
	b.to = errorWriter{}
	return n, err
}

// An errorWriter keeps its error apart from that of the source.
type errorWriter struct {
	io.Writer
	err error
}

// Write implements [io.Writer].
func (w *errorWriter) Write(p []byte) (n int, err error) {
	n, w.err = w.Writer.Write(p)
	return n, w.err
}

func (b *body) countRead(n uint64) {
	if n == 0 || b.left == 0 {
		return
	}
	b.left -= min(n, b.left)
	if b.left == 0 {
		b.group.next.Add(1)
	}
}

// skipFrames skips the frames that the reader has had.
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
	_ = g.finishReading(api.ErrClosed)
}

// finishReading records that reading has ended with err, and returns the error
// for the reader.
func (g *group) finishReading(err error) error {
	g.once.Do(func() { g.err = g.ended(err) })
	return g.err
}
