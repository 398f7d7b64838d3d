package data

import (
	"bytes"
	"compress/flate"
	"fmt"
)

// syncTail is what ends each flush of a stream. It is not sent.
var syncTail = []byte{0x00, 0x00, 0xff, 0xff}

// finalTail ends a stream, for a reader of a part of it.
var finalTail = []byte{0x01, 0x00, 0x00, 0xff, 0xff}

// A deflater compresses the frames of a group. The zero value is ready to use.
type deflater struct {
	out bytes.Buffer
	w   *flate.Writer
}

// reset begins a group.
func (d *deflater) reset() {
	if d.w != nil {
		d.w.Reset(&d.out)
	}
}

// deflate returns a frame's payload, which is valid until the next call.
func (d *deflater) deflate(text []byte) ([]byte, error) {
	if d.w == nil {
		d.w, _ = flate.NewWriter(&d.out, flate.DefaultCompression) // the level is right
	}
	d.out.Reset()
	if len(text) == 0 {
		return nil, nil
	}
	if _, err := d.w.Write(text); err != nil {
		return nil, fmt.Errorf("deflate: %w", err)
	}
	if err := d.w.Flush(); err != nil {
		return nil, fmt.Errorf("deflate: %w", err)
	}
	return bytes.TrimSuffix(d.out.Bytes(), syncTail), nil
}
