package qmux

import (
	"encoding/binary"
	"errors"
	"math/bits"
)

// maxVarint is the largest number that a varint can encode.
const maxVarint = 1<<62 - 1

// errShort is the error for truncated input.
var errShort = errors.New("truncated")

// AppendVarint appends v, which is at most 2^62-1, as a QUIC varint.
func AppendVarint(b []byte, v uint64) []byte {
	switch n := bits.Len64(v); {
	case n <= 6:
		return append(b, byte(v))
	case n <= 14:
		return binary.BigEndian.AppendUint16(b, uint16(v)|0x4000)
	case n <= 30:
		return binary.BigEndian.AppendUint32(b, uint32(v)|0x8000_0000)
	default:
		return binary.BigEndian.AppendUint64(b, v|0xc000_0000_0000_0000)
	}
}

// varintLen returns the encoded length of v.
func varintLen(v uint64) int {
	switch n := bits.Len64(v); {
	case n <= 6:
		return 1
	case n <= 14:
		return 2
	case n <= 30:
		return 4
	}
	return 8
}

// A parser reads values from the front of b. After the first error it returns
// zeros and keeps err.
type parser struct {
	b   []byte
	err error
}

// varint reads a QUIC varint (RFC 9000, section 16): the two highest bits of its first
// byte tell its length.
func (p *parser) varint() uint64 {
	if p.err != nil || len(p.b) == 0 {
		p.fail(errShort)
		return 0
	}
	n := 1 << (p.b[0] >> 6)
	if len(p.b) < n {
		p.fail(errShort)
		return 0
	}
	v := uint64(p.b[0] & 0x3f)
	for _, c := range p.b[1:n] {
		v = v<<8 | uint64(c)
	}
	p.b = p.b[n:]
	return v
}

// bytes reads a length and that many bytes, which alias the input.
func (p *parser) bytes() []byte {
	n := p.varint()
	if p.err != nil || n > uint64(len(p.b)) {
		p.fail(errShort)
		return nil
	}
	v := p.b[:n:n]
	p.b = p.b[n:]
	return v
}

// rest reads the remaining bytes.
func (p *parser) rest() []byte {
	v := p.b
	p.b = nil
	return v
}

// fail keeps the first error, and ends the input so that loops over it end.
func (p *parser) fail(err error) {
	if p.err == nil {
		p.err = err
	}
	p.b = nil
}
