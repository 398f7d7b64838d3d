package codec

import (
	"bytes"
	"encoding/binary"
	"errors"
	"iter"
)

var (
	startCode     = []byte{0, 0, 0, 1}
	startCodeTail = startCode[1:]
)

// ErrLength is of a sample whose NAL units are longer than the sample.
var ErrLength = errors.New("codec: a NAL unit is longer than its sample")

// AnnexB returns the NAL units of a byte stream (H.264 and H.265, annex B):
// parts of b, without start codes and the zeros around them. What comes before
// the first start code is left out, and so are empty units.
func AnnexB(b []byte) iter.Seq[[]byte] {
	return func(yield func([]byte) bool) {
		for rest := afterStartCode(b); len(rest) > 0; {
			var unit []byte
			unit, rest = cutUnit(rest)
			if len(unit) > 0 && !yield(unit) {
				return
			}
		}
	}
}

// afterStartCode returns what follows the first start code of b; nil: there is
// none.
func afterStartCode(b []byte) []byte {
	if i := bytes.Index(b, startCodeTail); i >= 0 {
		return b[i+len(startCodeTail):]
	}
	return nil
}

// FromStartCode returns b from its first start code on, without the bytes and
// zeros before it; nil: there is none.
func FromStartCode(b []byte) []byte {
	i := bytes.Index(b, startCodeTail)
	switch {
	case i < 0:
		return nil
	case i > 0 && b[i-1] == 0:
		i--
	}
	return b[i:]
}

// cutUnit returns the unit at the beginning of b, and what follows the next
// start code. A unit never ends in a zero byte.
func cutUnit(b []byte) (unit, rest []byte) {
	end := len(b)
	if i := bytes.Index(b, startCodeTail); i >= 0 {
		end, rest = i, b[i+len(startCodeTail):]
	}
	for end > 0 && b[end-1] == 0 {
		end--
	}
	return b[:end:end], rest
}

// LengthPrefixed returns the NAL units of a sample of MP4: parts of b, each
// with its length before it in size bytes (1 to 4). A sample that ends within a
// unit gives [ErrLength] after the units before it.
func LengthPrefixed(b []byte, size int) iter.Seq2[[]byte, error] {
	return func(yield func([]byte, error) bool) {
		for len(b) > 0 {
			unit, rest, ok := cutPrefixed(b, size)
			if !ok {
				yield(nil, ErrLength)
				return
			}
			if b = rest; len(unit) > 0 && !yield(unit, nil) {
				return
			}
		}
	}
}

func cutPrefixed(b []byte, size int) (unit, rest []byte, ok bool) {
	if size < 1 || size > 4 || len(b) < size {
		return nil, nil, false
	}
	n := uint64(0)
	for _, c := range b[:size] {
		n = n<<8 | uint64(c)
	}
	if b = b[size:]; n > uint64(len(b)) {
		return nil, nil, false
	}
	return b[:n:n], b[n:], true
}

// AppendUnit appends a NAL unit to a byte stream, after a start code of four
// bytes.
func AppendUnit(dst, unit []byte) []byte {
	return append(append(dst, startCode...), unit...)
}

// AppendPrefixed appends a NAL unit to a sample of MP4, after its length in
// four bytes.
func AppendPrefixed(dst, unit []byte) []byte {
	return append(binary.BigEndian.AppendUint32(dst, uint32(len(unit))), unit...)
}

// AppendLengthPrefixed appends the NAL units of a byte stream as a sample of
// MP4 with lengths of four bytes. The two do not overlap.
func AppendLengthPrefixed(dst, annexB []byte) []byte {
	for unit := range AnnexB(annexB) {
		dst = AppendPrefixed(dst, unit)
	}
	return dst
}

// AppendAnnexB appends the NAL units of a sample of MP4 with lengths of size
// bytes as a byte stream. The two do not overlap.
func AppendAnnexB(dst, sample []byte, size int) ([]byte, error) {
	for unit, err := range LengthPrefixed(sample, size) {
		if err != nil {
			return dst, err
		}
		dst = AppendUnit(dst, unit)
	}
	return dst, nil
}
