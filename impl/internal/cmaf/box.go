package cmaf

import (
	"encoding/binary"
	"errors"
	"fmt"
)

// ErrMalformed is in every error that tells of bytes that are not what ISO/IEC
// 14496-12 says.
var ErrMalformed = errors.New("cmaf: malformed")

// malformed makes an error that is ErrMalformed.
func malformed(format string, args ...any) error {
	return fmt.Errorf("%w: %s", ErrMalformed, fmt.Sprintf(format, args...))
}

// A Box is one box of an MP4 file. Its slices alias what it was read from.
type Box struct {
	Name []byte // of four bytes
	Body []byte // what follows the header
}

// A BoxHeader is how a box begins.
type BoxHeader struct {
	Name [4]byte
	Head int   // bytes of the header: 8 or 16
	Size int64 // bytes of the whole box; 0: to the end of the file
}

// ParseBoxHeader reads the header at the beginning of b. It reports false if b
// is too short to tell.
func ParseBoxHeader(b []byte) (h BoxHeader, ok bool, err error) {
	if len(b) < 8 {
		return h, false, nil
	}
	h = BoxHeader{Name: [4]byte(b[4:]), Head: 8, Size: int64(binary.BigEndian.Uint32(b))}
	if h.Size == 1 {
		if len(b) < 16 {
			return h, false, nil
		}
		h.Head, h.Size = 16, int64(binary.BigEndian.Uint64(b[8:]))
	} else if h.Size == 0 {
		return h, true, nil
	}
	if h.Size < int64(h.Head) {
		return h, true, malformed("a box %q of %d bytes", h.Name, h.Size)
	}
	return h, true, nil
}

// NextBox returns the first box of b, and what follows it.
func NextBox(b []byte) (x Box, rest []byte, err error) {
	h, ok, err := ParseBoxHeader(b)
	switch {
	case err != nil:
		return Box{}, nil, err
	case !ok:
		return Box{}, nil, malformed("%d bytes where a box is to begin", len(b))
	case h.Size == 0:
		h.Size = int64(len(b))
	case h.Size > int64(len(b)):
		return Box{}, nil, malformed("a box %q of %d bytes in %d", h.Name, h.Size, len(b))
	}
	return Box{Name: b[4:8], Body: b[h.Head:h.Size]}, b[h.Size:], nil
}

// find returns the body of the first box of that name directly within b.
func find(b []byte, name string) (body []byte, ok bool, err error) {
	body, _, err = nextNamed(b, name)
	return body, body != nil, err
}

// nextNamed returns the body of the first box of that name, and what follows the
// box; nil if there is none.
func nextNamed(b []byte, name string) (body, rest []byte, err error) {
	for len(b) > 0 {
		x, rest, err := NextBox(b)
		if err != nil {
			return nil, nil, err
		}
		if string(x.Name) == name {
			return x.Body, rest, nil
		}
		b = rest
	}
	return nil, nil, nil
}

// need is find for a box that has to be there.
func need(b []byte, name, parent string) ([]byte, error) {
	body, ok, err := find(b, name)
	if err == nil && !ok {
		err = malformed("no %s in the %s", name, parent)
	}
	return body, err
}
