package message

import (
	"fmt"
	"io"
)

// A Reader is what messages are read from, such as a *bufio.Reader.
type Reader interface {
	io.Reader
	io.ByteReader
}

// readStep is how much memory ReadBody allocates before any of the body has arrived.
const readStep = 512

// ReadBody reads Len and the body that follows, into buf if that is large enough. The
// result is valid until buf is used again. It allocates as bytes arrive, and does not
// trust Len.
//
// If Len is above limit, ReadBody returns [ErrTooLarge] and reads no more. It returns
// io.EOF if r ends before Len, io.ErrUnexpectedEOF if it ends within the message, and
// otherwise r's own errors.
func ReadBody(r Reader, v *Version, limit int, buf []byte) ([]byte, error) {
	return ReadBodyWithin(nil, r, v, limit, buf)
}

// A Room bounds how much memory the messages take together that have not arrived whole.
type Room interface {
	// Take counts n bytes. It reports false, and counts nothing, if that is too much.
	Take(n int) bool

	// Give stops counting n bytes.
	Give(n int)
}

// ReadBodyWithin is ReadBody with a bound on memory: what it allocates beyond the first 512
// bytes counts in room until it returns. If there is none, it returns [ErrNoRoom]. A nil
// room is no bound.
func ReadBodyWithin(room Room, r Reader, v *Version, limit int, buf []byte) ([]byte, error) {
	size, err := v.ReadVarint(r)
	if err != nil {
		return nil, err
	}
	if size > uint64(max(limit, 0)) {
		return nil, fmt.Errorf("message of %d bytes, the most is %d: %w", size, limit, ErrTooLarge)
	}
	n, taken := int(size), 0
	defer func() {
		if taken > 0 {
			room.Give(taken)
		}
	}()
	for buf = buf[:0]; len(buf) < n; {
		have := len(buf)
		if have == cap(buf) {
			grown := min(n, max(2*have, readStep))
			if more := grown - have; room != nil && grown > readStep {
				if !room.Take(more) {
					return nil, ErrNoRoom
				}
				taken += more
			}
			buf = append(make([]byte, 0, grown), buf...)
		}
		buf = buf[:min(n, cap(buf))]
		if _, err := io.ReadFull(r, buf[have:]); err != nil {
			return nil, within(err)
		}
	}
	return buf, nil
}
