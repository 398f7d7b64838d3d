package receive

import (
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/moqlite/moqlite/api"
	"github.com/moqlite/moqlite/impl/internal/message"
)

// growth is how much memory ReadFrame allocates for a frame before its bytes have
// arrived.
const growth = 64 << 10

// ReadFrame implements [api.GroupReader].
func (g *Group) ReadFrame(f *api.Frame) error {
	err := g.readFrame(f)
	g.stopWaiting()
	return err
}

func (g *Group) readFrame(f *api.Frame) error {
	h, err := g.header()
	if err != nil {
		return err
	}
	if h.Size > g.budget.frameSize {
		g.abort(&api.StreamError{Code: api.StreamFrameTooLarge}, api.StreamFrameTooLarge)
		return g.fail(nil)
	}
	f.Timestamp = h.Timestamp
	size := int(h.Size)
	g.in.direct = size >= largeBuffer/2
	if size <= max(cap(f.Payload), growth) {
		if cap(f.Payload) < size {
			f.Payload = make([]byte, size)
		}
		f.Payload = f.Payload[:size]
		if g.in.readFull(f.Payload) {
			g.left = 0
			return nil
		}
		return (*payload)(g).readFull(f.Payload)
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
		if err := (*payload)(g).readFull(f.Payload[have:]); err != nil {
			return err
		}
	}
	return nil
}

// NextFrame implements [api.GroupReader].
func (g *Group) NextFrame() (api.FrameHeader, io.Reader, error) {
	g.in.direct = false
	h, err := g.header()
	g.stopWaiting()
	if err != nil {
		return api.FrameHeader{}, nil, err
	}
	return h, (*payload)(g), nil
}

// header skips what is left of the frame before, and waits for the next header and reads it.
func (g *Group) header() (api.FrameHeader, error) {
	if g.err != nil {
		return api.FrameHeader{}, g.err
	}
	if g.aborted.Load() != nil {
		return api.FrameHeader{}, g.fail(nil)
	}
	for g.left > 0 {
		if _, err := (*payload)(g).nextPart(); err != nil {
			return api.FrameHeader{}, err
		}
	}
	v := g.budget.version
	h, err := g.in.bufferedHeader(v, g.timestamp)
	if err == io.ErrUnexpectedEOF {
		g.startWaiting()
		h, err = g.in.readHeader(v, g.timestamp)
	}
	if err != nil {
		return api.FrameHeader{}, g.fail(Malformed(err))
	}
	g.timestamp, g.left = h.Timestamp, h.Size
	if !v.Timestamps {
		h.Timestamp = uint64(time.Now().UnixMilli())
	}
	return api.FrameHeader{Timestamp: h.Timestamp, Size: h.Size}, nil
}

// Malformed translates an error of reading a message or a frame's header to a stream error.
func Malformed(err error) error {
	switch {
	case err == io.EOF:
		return err
	case err == io.ErrUnexpectedEOF:
		return &api.StreamError{Code: api.StreamWrongSize}
	case errors.Is(err, message.ErrNoRoom):
		return &api.StreamError{Code: api.StreamNoCapacity}
	case errors.Is(err, message.ErrMalformed):
		return &api.StreamError{Code: api.StreamMalformed}
	default:
		return err
	}
}

// payload reads the payload of a group's current frame.
type payload Group

var _ io.WriterTo = (*payload)(nil)

// Read implements [io.Reader].
func (p *payload) Read(b []byte) (int, error) {
	if p.left == 0 {
		return 0, io.EOF
	}
	n, err := p.readPart(b)
	(*Group)(p).stopWaiting()
	return n, err
}

func (p *payload) readPart(b []byte) (int, error) {
	if p.err != nil {
		return 0, p.err
	}
	if len(b) > 0 && p.in.empty() {
		(*Group)(p).startWaiting()
	}
	n, err := p.in.Read(b[:min(uint64(len(b)), p.left)])
	p.left -= uint64(n)
	if err != nil {
		return n, p.fail(err)
	}
	return n, nil
}

func (p *payload) readFull(b []byte) error {
	for len(b) > 0 {
		n, err := p.readPart(b)
		if err != nil {
			return err
		}
		b = b[n:]
	}
	return nil
}

// nextPart waits for some bytes of the payload, consumes those that are buffered and
// returns them. They are valid until the next read.
func (p *payload) nextPart() ([]byte, error) {
	if p.in.empty() {
		(*Group)(p).startWaiting()
	}
	b, err := p.in.nextBuffered(p.left)
	if err != nil {
		return nil, p.fail(err)
	}
	p.left -= uint64(len(b))
	return b, nil
}

// fail ends the group within a frame: the end of the stream is an error there.
func (p *payload) fail(err error) error {
	if err == io.EOF {
		err = &api.StreamError{Code: api.StreamWrongSize}
	}
	return (*Group)(p).fail(err)
}

// WriteTo implements [io.WriterTo].
func (p *payload) WriteTo(w io.Writer) (int64, error) {
	var written int64
	for p.left > 0 {
		if p.err != nil {
			return written, p.err
		}
		b, err := p.nextPart()
		(*Group)(p).stopWaiting()
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
