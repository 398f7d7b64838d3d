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

// groupReader implements [api.GroupReader].
type groupReader struct {
	session *Session
	of      holder
	seq     api.GroupSequence
	first   uint64 // index of the first frame
	in      incoming
	ended   func() // called when the group is finished, if not nil

	// Used by the reader alone.
	timestamp uint64 // of the last frame
	left      uint64 // bytes of the current payload that are not read
	err       error  // what all later calls return

	aborted atomic.Pointer[error] // why this end has cancelled the group; nil unless it has

	// Guarded by session.unread.mu.
	newer    *groupReader // neighbours in the list of unread
	older    *groupReader
	weight   uint64        // bytes of the budget that it counts for; 0 unless parked
	wide     bool          // its stream can hold more than weight
	parked   bool          // no reader waits for it
	parkedAt time.Duration // when it was parked, by the session's clock
	handed   bool          // the application has it
	finished bool          // read to its end, cancelled or dropped
}

var _ api.GroupReader = (*groupReader)(nil)

func newGroupReader(s *Session, raw transport.ReceiveStream) *groupReader {
	return &groupReader{session: s, in: incoming{stream: raw}}
}

// identify sets what the GROUP message says, or for a fetch the request. A group that
// has arrived whole need not be unparked and parked for its reader.
func (g *groupReader) identify(of holder, seq api.GroupSequence, first uint64) {
	g.of, g.seq, g.first = of, seq, first
	if !g.in.whole() {
		g.in.counts = g
	}
}

// park counts the group in the budget, when its reader stops waiting for the stream.
func (g *groupReader) park() {
	u := &g.session.unread
	u.mu.Lock()
	defer u.mu.Unlock()
	u.park(g, g.session.clock())
}

// unpark stops counting the group, when its reader begins to wait for the stream.
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

// abort cancels the group. Its reader's calls return err, whose code the peer gets.
func (g *groupReader) abort(err error) { g.abortWith(err, api.ErrorCode(err)) }

func (g *groupReader) abortWith(err error, code api.StreamErrorCode) {
	if g.aborted.CompareAndSwap(nil, &err) {
		g.in.stream.CancelRead(uint64(code))
		g.finish()
	}
}

// finish removes the group from the budget and tells its holder, once.
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

// fail ends the group with err, which its reader's later calls return too, and
// returns that error in the form of package api.
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

// header skips what is left of the frame before and waits for the next header.
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

// malformedFrame translates an error of a frame header to a stream error.
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

// growth is how much memory ReadFrame allocates for a frame before its bytes have
// arrived.
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
	// The size is only the peer's claim: allocate as the bytes arrive.
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

// payloadReader reads the payload of a group's current frame.
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

// next waits for some bytes of the payload and returns those that are buffered.
func (p *payloadReader) next() ([]byte, error) {
	b, err := p.in.next(p.left)
	if err != nil {
		return nil, p.fail(err)
	}
	p.left -= uint64(len(b))
	return b, nil
}

// fail ends the group within a frame: the end of the stream is an error there.
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
