package data

import (
	"compress/flate"
	"errors"
	"fmt"
	"io"
	"slices"
)

// window is how far back a stream refers to itself.
const window = 32 << 10

// errEndsWithin is a stream that ends before its group does.
var errEndsWithin = errors.New("the compressed stream ends within the frame")

// An inflater undoes what a deflater does. A frame is inflated by itself, with
// the last 32 KiB before it as a dictionary: that is the same as going on in the
// stream, and a decoder that has reached the end of its input cannot go on.
type inflater struct {
	options Options
	in      parts
	r       io.ReadCloser // is a flate.Resetter
	out     []byte        // frames of the group, the last 32 KiB of them at least
}

// newInflater returns an inflater for a group.
func newInflater(o Options) *inflater { return &inflater{options: o} }

// reset begins a group.
func (f *inflater) reset() { f.out = f.out[:0] }

// inflate returns what a frame's payload is when inflated, which is valid until
// the next call. After an error the group cannot be read any further.
func (f *inflater) inflate(payload []byte) ([]byte, error) {
	if len(payload) == 0 {
		return nil, nil
	}
	f.shrink()
	f.in = parts{payload: payload}
	dictionary := f.out[max(len(f.out)-window, 0):]
	if f.r == nil {
		f.r = flate.NewReaderDict(&f.in, dictionary)
	} else if err := f.r.(flate.Resetter).Reset(&f.in, dictionary); err != nil {
		return nil, fmt.Errorf("inflate: %w", err)
	}
	start := len(f.out)
	for {
		if cap(f.out)-len(f.out) < 512 {
			f.out = slices.Grow(f.out, 4096)
		}
		room := f.out[len(f.out):cap(f.out)]
		n, err := f.r.Read(room[:min(len(room), start+f.options.MaxFrame+1-len(f.out))])
		f.out = f.out[:len(f.out)+n]
		switch {
		case len(f.out)-start > f.options.MaxFrame:
			return nil, fmt.Errorf("inflate: %w", f.options.tooLarge())
		case err == io.EOF && !f.in.isEmpty():
			return nil, fmt.Errorf("inflate: %w", errEndsWithin)
		case err == io.EOF:
			return f.out[start:], nil
		case err != nil:
			return nil, fmt.Errorf("inflate: %w", err)
		}
	}
}

// shrink drops what is further back than a stream can refer to, now and then.
// What a single large frame took is given back.
func (f *inflater) shrink() {
	if len(f.out) < 4*window {
		return
	}
	last := f.out[len(f.out)-window:]
	if cap(f.out) > 64*window {
		f.out = append(make([]byte, 0, 4*window), last...)
		return
	}
	f.out = f.out[:copy(f.out, last)]
}

// parts reads a payload and what ends it. It is an io.ByteReader too, so that no
// decoder reads ahead.
type parts struct {
	payload []byte
	sync    int // of syncTail, how much was read
	final   int // of finalTail
}

func (p *parts) isEmpty() bool {
	return len(p.payload) == 0 && p.sync == len(syncTail) && p.final == len(finalTail)
}

func (p *parts) ReadByte() (byte, error) {
	switch {
	case len(p.payload) > 0:
		b := p.payload[0]
		p.payload = p.payload[1:]
		return b, nil
	case p.sync < len(syncTail):
		p.sync++
		return syncTail[p.sync-1], nil
	case p.final < len(finalTail):
		p.final++
		return finalTail[p.final-1], nil
	}
	return 0, io.EOF
}

func (p *parts) Read(b []byte) (int, error) {
	if n := copy(b, p.payload); n > 0 {
		p.payload = p.payload[n:]
		return n, nil
	}
	for i := range b {
		c, err := p.ReadByte()
		if err != nil {
			return i, err
		}
		b[i] = c
	}
	return len(b), nil
}
