package data

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
)

// errMore is a frame with something behind its value.
var errMore = errors.New("there is something behind the JSON value")

// A decoder reads values of JSON, one a text. Numbers in what has no type stay
// as they were written. Its memory is used again.
type decoder[T any] struct {
	d    *json.Decoder
	text bytes.Reader
	read int64 // bytes that d has read
	more bool  // a newline follows text, which ends a number
	v    T     // is decoded into, and zero between calls
}

// decode returns the value of a text.
func (d *decoder[T]) decode(text []byte) (T, error) {
	var none T
	defer func() { d.v = none }()
	if d.d == nil {
		d.d = json.NewDecoder((*separated[T])(d))
		d.d.UseNumber()
		d.read = 0
	}
	before := d.read
	d.text.Reset(text)
	d.more = true
	err := d.d.Decode(&d.v)
	if err == nil {
		rest := text[min(max(d.d.InputOffset()-before, 0), int64(len(text))):]
		if len(bytes.TrimLeft(rest, " \t\r\n")) > 0 {
			err = errMore
		}
	}
	if err != nil {
		d.d = nil // it repeats some errors, and has read ahead
		if err == io.EOF {
			err = io.ErrUnexpectedEOF // of the text, not of a track
		}
		return none, err
	}
	return d.v, nil
}

// separated is the text of a decoder as its json.Decoder reads it.
type separated[T any] decoder[T]

func (s *separated[T]) Read(p []byte) (n int, err error) {
	defer func() { s.read += int64(n) }()
	switch {
	case s.text.Len() > 0:
		return s.text.Read(p)
	case s.more && len(p) > 0:
		s.more = false
		p[0] = '\n'
		return 1, nil
	}
	return 0, io.EOF
}
