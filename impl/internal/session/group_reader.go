package session

import (
	"errors"
	"fmt"
	"io"
	"sync/atomic"
	"time"

	"github.com/moqlite/moqlite/api"
	"github.com/moqlite/moqlite/impl/internal/message"
	"github.com/moqlite/moqlite/transport"
)

// groupReader reads a group. It implements [api.GroupReader].
type groupReader struct {
	session *Session
	of      holder
	seq     api.GroupSequence
	first   uint64
	in      incoming
	ended   func() // at the end, if set

	// Of the reading goroutine.
	timestamp uint64
	left      uint64 // of the frame's payload
	err       error  // sticky

	aborted atomic.Pointer[error] // why reading was given up here

	// Guarded by session.unread.mu.
	newer    *groupReader // in a list of all that are not finished
	older    *groupReader
	weight   uint64        // while it is parked
	wide     bool          // and its stream can hold more
	parked   bool          // nobody waits for it,
	parkedAt time.Duration // since then
	handed   bool          // to the application
	finished bool
}

var _ api.GroupReader = (*groupReader)(nil)

func newGroupReader(s *Session, raw transport.ReceiveStream) *groupReader {
	return &groupReader{session: s, in: incoming{stream: raw}}
}

// identify says which group this is, of which the first bytes are in.
func (g *groupReader) identify(of holder, seq api.GroupSequence, first uint64) {
	g.of, g.seq, g.first = of, seq, first
	if !g.in.whole() {
		g.in.counts = g
	}
}

// park counts the group as unread, and unpark no more, for its reader.
func (g *groupReader) park() {
	u := &g.session.unread
	u.mu.Lock()
	defer u.mu.Unlock()
	u.park(g, g.session.clock())
}

func (g *groupReader) unpark() {
	u := &g.session.unread
	u.mu.Lock()
	defer u.mu.Unlock()
	u.awaitWeighed(g)
	u.unpark(g)
}

// Sequence implements [api.GroupReader].
func (g *groupReader) Sequence() api.GroupSequence { return g.seq }

// FirstFrame implements [api.GroupReader].
func (g *groupReader) FirstFrame() uint64 { return g.first }

// Cancel implements [api.GroupReader].
func (g *groupReader) Cancel(code api.StreamErrorCode) {
	g.abortWith(api.ErrClosed, code)
}

// abort ends the group with an error for its reader.
func (g *groupReader) abort(err error) { g.abortWith(err, api.ErrorCode(err)) }

func (g *groupReader) abortWith(err error, code api.StreamErrorCode) {
	if g.aborted.CompareAndSwap(nil, &err) {
		g.in.stream.CancelRead(uint64(code))
		g.finish()
	}
}

// finish takes the group off the books: it is read to its end, or given up.
func (g *groupReader) finish() {
	u := &g.session.unread
	u.mu.Lock()
	again := g.finished
	if !again {
		u.remove(g)
		g.of.finished()
	}
	u.mu.Unlock()
	if !again {
		if g.ended != nil {
			g.ended()
		}
		g.session.groupFinished()
	}
}

// fail makes err the end of the group for its reader.
func (g *groupReader) fail(err error) error {
	if reason := g.aborted.Load(); reason != nil {
		err = *reason
	} else if err != io.EOF {
		err = streamError(err)
		g.in.stream.CancelRead(uint64(api.ErrorCode(err)))
	}
	g.err = err
	g.in.release()
	g.finish()
	return err
}

// header waits for the next frame, past what is left of the one before.
func (g *groupReader) header() (api.FrameHeader, error) {
	if g.err != nil {
		return api.FrameHeader{}, g.err
	}
	if g.aborted.Load() != nil {
		return api.FrameHeader{}, g.fail(nil)
	}
	for g.left > 0 {
		if _, err := (*payloadReader)(g).next(); err != nil {
			return api.FrameHeader{}, err
		}
	}
	h, err := g.in.frameHeader(g.session.version, g.timestamp)
	if err != nil {
		return api.FrameHeader{}, g.fail(malformedFrame(err))
	}
	g.timestamp = h.Timestamp
	g.left = h.Size
	if !g.session.version.Timestamps {
		h.Timestamp = uint64(time.Now().UnixMilli())
	}
	return api.FrameHeader{Timestamp: h.Timestamp, Size: h.Size}, nil
}

// malformedFrame is what breaks the format, in the api's words.
func malformedFrame(err error) error {
	switch {
	case err == io.EOF:
		return err
	case err == io.ErrUnexpectedEOF:
		return &api.StreamError{Code: api.StreamWrongSize}
	case errors.Is(err, message.ErrMalformed):
		return &api.StreamError{Code: api.StreamMalformed}
	default:
		return err
	}
}

// growth is how much memory a frame is given before its bytes have arrived.
const growth = 64 << 10

// ReadFrame implements [api.GroupReader].
func (g *groupReader) ReadFrame(f *api.Frame) error {
	err := g.readFrame(f)
	g.in.rest()
	return err
}

func (g *groupReader) readFrame(f *api.Frame) error {
	h, err := g.header()
	if err != nil {
		return err
	}
	if h.Size > g.session.limits.FrameSize {
		g.abort(&api.StreamError{Code: api.StreamFrameTooLarge})
		return g.fail(nil)
	}
	f.Timestamp = h.Timestamp
	size := int(h.Size)
	g.in.direct = size >= readFar/2
	if size <= max(cap(f.Payload), growth) {
		if cap(f.Payload) < size {
			f.Payload = make([]byte, size)
		}
		f.Payload = f.Payload[:size]
		if g.in.readFull(f.Payload) {
			g.left = 0
			return nil
		}
		return (*payloadReader)(g).readFull(f.Payload)
	}
	// The size is the peer's word: memory follows what has arrived.
	f.Payload = f.Payload[:0]
	for len(f.Payload) < size {
		have := len(f.Payload)
		grown := min(size, max(cap(f.Payload), 2*have, growth))
		if cap(f.Payload) < grown {
			f.Payload = append(make([]byte, 0, grown), f.Payload...)
		}
		f.Payload = f.Payload[:grown]
		if err := (*payloadReader)(g).readFull(f.Payload[have:]); err != nil {
			return err
		}
	}
	return nil
}

// NextFrame implements [api.GroupReader].
func (g *groupReader) NextFrame() (api.FrameHeader, io.Reader, error) {
	g.in.direct = false
	h, err := g.header()
	g.in.rest()
	if err != nil {
		return api.FrameHeader{}, nil, err
	}
	return h, (*payloadReader)(g), nil
}

// payloadReader reads what is left of a group's frame.
type payloadReader groupReader

var _ io.WriterTo = (*payloadReader)(nil)

// Read implements [io.Reader].
func (p *payloadReader) Read(b []byte) (int, error) {
	if p.left == 0 {
		return 0, io.EOF
	}
	n, err := p.read(b)
	p.in.rest()
	return n, err
}

func (p *payloadReader) read(b []byte) (int, error) {
	if p.err != nil {
		return 0, p.err
	}
	n, err := p.in.Read(b[:min(uint64(len(b)), p.left)])
	p.left -= uint64(n)
	if err != nil {
		return n, p.fail(err)
	}
	return n, nil
}

func (p *payloadReader) readFull(b []byte) error {
	for len(b) > 0 {
		n, err := p.read(b)
		if err != nil {
			return err
		}
		b = b[n:]
	}
	return nil
}

// next returns bytes of the payload that are at hand, waiting for some.
func (p *payloadReader) next() ([]byte, error) {
	b, err := p.in.next(p.left)
	if err != nil {
		return nil, p.fail(err)
	}
	p.left -= uint64(len(b))
	return b, nil
}

// fail ends the group within a frame.
func (p *payloadReader) fail(err error) error {
	if err == io.EOF {
		err = &api.StreamError{Code: api.StreamWrongSize}
	}
	return (*groupReader)(p).fail(err)
}

// WriteTo implements [io.WriterTo].
func (p *payloadReader) WriteTo(w io.Writer) (int64, error) {
	var written int64
	for p.left > 0 {
		if p.err != nil {
			return written, p.err
		}
		b, err := p.next()
		p.in.rest()
		if err != nil {
			return written, err
		}
		n, err := w.Write(b)
		written += int64(n)
		if err != nil {
			return written, fmt.Errorf("copy a frame of group %d: %w", p.seq, err)
		}
	}
	return written, nil
}
