package message

import (
	"encoding/binary"
	"io"
	"math/bits"
)

// WithLeadingOnes returns a copy of v with another encoding of integers. No message depends
// on the encoding.
func (v *Version) WithLeadingOnes() *Version {
	c := *v
	c.Name += "-leading-ones"
	c.varint = leadingOnes{}
	return &c
}

// leadingOnes is an encoding in which each leading one bit of the first byte adds a byte to
// the length. Seven ones are not written.
type leadingOnes struct{}

func (leadingOnes) length(x uint64) int {
	n := max((bits.Len64(x)+6)/7, 1)
	if n == 7 {
		n = 8
	}
	return n
}

func (c leadingOnes) append(b []byte, x uint64) []byte {
	n := c.length(x)
	var all [9]byte
	binary.BigEndian.PutUint64(all[1:], x)
	all[9-n] |= ^byte(0) << (9 - n)
	return append(b, all[9-n:]...)
}

func (leadingOnes) parse(b []byte) (x uint64, n int, err error) {
	if len(b) == 0 {
		return 0, 0, io.ErrUnexpectedEOF
	}
	n = bits.LeadingZeros8(^b[0]) + 1
	if len(b) < n {
		return 0, 0, io.ErrUnexpectedEOF
	}
	x = uint64(b[0] & (1<<max(8-n, 0) - 1))
	for _, c := range b[1:n] {
		x = x<<8 | uint64(c)
	}
	if x > MaxVarint {
		return 0, 0, ErrMalformed
	}
	return x, n, nil
}

func (c leadingOnes) read(r io.ByteReader) (uint64, error) {
	var b [9]byte
	for i := range b {
		var err error
		if b[i], err = r.ReadByte(); err != nil {
			if i > 0 {
				err = within(err)
			}
			return 0, err
		}
		if x, _, err := c.parse(b[:i+1]); err != io.ErrUnexpectedEOF {
			return x, err
		}
	}
	panic("a number is at most 9 bytes long")
}
