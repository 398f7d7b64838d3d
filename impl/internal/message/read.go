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
	size, err := v.ReadVarint(r)
	if err != nil {
		return nil, err
	}
	if size > uint64(max(limit, 0)) {
		return nil, fmt.Errorf("message of %d bytes, the most is %d: %w", size, limit, ErrTooLarge)
	}
	n := int(size)
	for buf = buf[:0]; len(buf) < n; {
		have := len(buf)
		if have == cap(buf) {
			buf = append(make([]byte, 0, min(n, max(2*have, readStep))), buf...)
		}
		buf = buf[:min(n, cap(buf))]
		if _, err := io.ReadFull(r, buf[have:]); err != nil {
			return nil, within(err)
		}
	}
	return buf, nil
}
