package media

import "encoding/binary"

// The integers of containers are those of QUIC in every moq-lite version: the
// two highest bits of the first byte tell the length (RFC 9000, section 16).

// appendVarint appends v, which is below 1<<62, in its shortest form.
func appendVarint(dst []byte, v uint64) []byte {
	switch {
	case v < 1<<6:
		return append(dst, byte(v))
	case v < 1<<14:
		return binary.BigEndian.AppendUint16(dst, uint16(v)|1<<14)
	case v < 1<<30:
		return binary.BigEndian.AppendUint32(dst, uint32(v)|2<<30)
	default:
		return binary.BigEndian.AppendUint64(dst, v|3<<62)
	}
}

// cutVarint reads the integer at the beginning of b, in any of its forms, and
// returns what follows it; false if b ends before it does.
func cutVarint(b []byte) (v uint64, rest []byte, ok bool) {
	if len(b) == 0 {
		return 0, nil, false
	}
	size := 1 << (b[0] >> 6)
	if len(b) < size {
		return 0, nil, false
	}
	v = uint64(b[0] & 0x3f)
	for _, next := range b[1:size] {
		v = v<<8 | uint64(next)
	}
	return v, b[size:], true
}
