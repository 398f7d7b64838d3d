package codec

import "errors"

var errShort = errors.New("it ends too early")

// bitReader reads bits from the highest of each byte on. Beyond the end it
// reads zeros and remembers that in short.
type bitReader struct {
	b     []byte
	pos   int // in bits
	short bool
}

func (r *bitReader) left() int { return len(r.b)*8 - r.pos }

func (r *bitReader) flag() bool { return r.read(1) == 1 }

// read reads n bits, 32 at most.
func (r *bitReader) read(n int) uint32 {
	if n > r.left() {
		r.pos, r.short = len(r.b)*8, true
		return 0
	}
	var v uint32
	for ; n > 0; n-- {
		v = v<<1 | uint32(r.b[r.pos>>3]>>(7-r.pos&7)&1)
		r.pos++
	}
	return v
}

// golomb reads an unsigned Exp-Golomb code (H.264, section 9.1).
func (r *bitReader) golomb() uint32 {
	zeros := 0
	for !r.short && !r.flag() {
		zeros++
	}
	if r.short || zeros > 31 {
		r.short = true
		return 0
	}
	return 1<<zeros - 1 + r.read(zeros)
}

// bitWriter appends bits, from the highest of each byte on.
type bitWriter struct {
	b    []byte
	free int // bits of the last byte that are not written
}

func (w *bitWriter) write(v uint32, n int) {
	for n--; n >= 0; n-- {
		if w.free == 0 {
			w.b, w.free = append(w.b, 0), 8
		}
		w.free--
		w.b[len(w.b)-1] |= byte(v>>n&1) << w.free
	}
}

// unescape removes the emulation prevention bytes of a NAL unit
// (H.264, section 7.4.1), until there are most bytes in dst.
func unescape(dst, unit []byte, most int) []byte {
	zeros := 0
	for _, c := range unit {
		if len(dst) >= most {
			break
		}
		if zeros >= 2 && c == 3 {
			zeros = 0
			continue
		}
		if c == 0 {
			zeros++
		} else {
			zeros = 0
		}
		dst = append(dst, c)
	}
	return dst
}
