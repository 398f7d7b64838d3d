package mpegts

import "encoding/binary"

// A pesHeader is the header of a PES packet (ISO/IEC 13818-1, section 2.4.3.6).
type pesHeader struct {
	pts, dts int64 // 33-bit times, or unstated
	length   int   // bytes of the payload; 0: until the next packet begins
}

// parsePES reads the header of a PES packet and says how long it is; 0: it is
// not whole yet, below 0: it is none of a stream of pictures or sound.
func parsePES(b []byte) (h pesHeader, n int) {
	const least = 9
	if len(b) < least {
		return h, 0
	}
	// 0xbd is private (AC-3, Opus), 0xc0 and above are sound and pictures,
	// 0xfa is LATM's, 0xfd an extension's.
	id := b[3]
	carries := id == 0xbd || id >= 0xc0 && id <= 0xef || id == 0xfa || id == 0xfd
	if b[0] != 0 || b[1] != 0 || b[2] != 1 || !carries || b[6]&0xc0 != 0x80 || b[6]&0x30 != 0 {
		return h, -1
	}
	if n = least + int(b[8]); len(b) < n {
		return h, 0
	}
	h = pesHeader{pts: unstated, dts: unstated}
	times := b[least:n]
	if b[7]&0x80 != 0 && len(times) >= 5 {
		h.pts = pesTime(times)
		h.dts = h.pts
		if b[7]&0x40 != 0 && len(times) >= 10 {
			h.dts = pesTime(times[5:])
		}
	}
	if length := int(binary.BigEndian.Uint16(b[4:])); length > 0 {
		if h.length = length - (n - 6); h.length <= 0 {
			return h, -1
		}
	}
	return h, n
}

func pesTime(b []byte) int64 {
	return int64(b[0]>>1&7)<<30 | int64(b[1])<<22 | int64(b[2]>>1)<<15 | int64(b[3])<<7 | int64(b[4]>>1)
}
