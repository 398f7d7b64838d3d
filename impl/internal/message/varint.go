package message

import (
	"encoding/binary"
	"io"
	"math/bits"
)

// A varintCodec is a version's encoding of integers. append and length are called with
// numbers up to [MaxVarint]; parse and read must not return larger ones.
type varintCodec interface {
	append(b []byte, x uint64) []byte
	length(x uint64) int
	parse(b []byte) (x uint64, n int, err error)
	read(r io.ByteReader) (uint64, error)
}

// quicVarint is the encoding of QUIC (RFC 9000, section 16): the two highest
// bits of the first byte say whether 1, 2, 4 or 8 bytes hold the number.
type quicVarint struct{}

// exponent returns the two highest bits for x.
func (quicVarint) exponent(x uint64) int {
	switch n := bits.Len64(x); {
	case n <= 6:
		return 0
	case n <= 14:
		return 1
	case n <= 30:
		return 2
	default:
		return 3
	}
}

func (c quicVarint) length(x uint64) int { return 1 << c.exponent(x) }

func (c quicVarint) append(b []byte, x uint64) []byte {
	if x < 1<<6 {
		return append(b, byte(x))
	}
	switch c.exponent(x) {
	case 1:
		return binary.BigEndian.AppendUint16(b, 1<<14|uint16(x))
	case 2:
		return binary.BigEndian.AppendUint32(b, 2<<30|uint32(x))
	default:
		return binary.BigEndian.AppendUint64(b, 3<<62|x)
	}
}

func (quicVarint) parse(b []byte) (x uint64, n int, err error) {
	if len(b) == 0 {
		return 0, 0, io.ErrUnexpectedEOF
	}
	n = 1 << (b[0] >> 6)
	if len(b) < n {
		return 0, 0, io.ErrUnexpectedEOF
	}
	switch n {
	case 1:
		return uint64(b[0]), n, nil
	case 2:
		return uint64(binary.BigEndian.Uint16(b)) & (1<<14 - 1), n, nil
	case 4:
		return uint64(binary.BigEndian.Uint32(b)) & (1<<30 - 1), n, nil
	default:
		return binary.BigEndian.Uint64(b) & (1<<62 - 1), n, nil
	}
}

func (quicVarint) read(r io.ByteReader) (uint64, error) {
	c, err := r.ReadByte()
	if err != nil {
		return 0, err
	}
	x := uint64(c & 0x3f)
	for range 1<<(c>>6) - 1 {
		if c, err = r.ReadByte(); err != nil {
			return 0, within(err)
		}
		x = x<<8 | uint64(c)
	}
	return x, nil
}

// within translates io.EOF for a read that is not the first of a number.
func within(err error) error {
	if err == io.EOF {
		return io.ErrUnexpectedEOF
	}
	return err
}
