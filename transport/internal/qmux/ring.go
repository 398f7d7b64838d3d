package qmux

// A ring is a queue of bytes in an array that grows and shrinks with what is in
// it: to at most four times as much, but for small ones. So the windows bound
// what a peer can make grow, also if it fills one stream after the other.
type ring struct {
	buf   []byte
	start int
	len   int
}

const (
	minRing = 64

	// keepRing is what is kept even if little or nothing is in it, so that a
	// stream from message to message needs no other.
	keepRing = 16 << 10
)

func (r *ring) write(p []byte) {
	if r.len+len(p) > len(r.buf) {
		r.resize(r.len + len(p))
	}
	end := (r.start + r.len) & (len(r.buf) - 1)
	n := copy(r.buf[end:], p)
	copy(r.buf, p[n:])
	r.len += len(p)
}

func (r *ring) read(p []byte) int {
	n := r.take(p)
	if len(r.buf) > keepRing && r.len <= len(r.buf)/4 {
		if r.len == 0 {
			r.buf = nil
		} else {
			r.resize(2 * r.len)
		}
	}
	return n
}

func (r *ring) take(p []byte) int {
	n := copy(p, r.buf[r.start:min(r.start+r.len, len(r.buf))])
	if n < len(p) && n < r.len {
		n += copy(p[n:], r.buf[:r.len-n])
	}
	r.len -= n
	if r.start += n; r.start >= len(r.buf) {
		r.start -= len(r.buf)
	}
	if r.len == 0 {
		r.start = 0
	}
	return n
}

// resize makes room for n bytes, and no more than is needed. The size is a
// power of two.
func (r *ring) resize(n int) {
	size := minRing
	for size < n {
		size *= 2
	}
	buf, have := make([]byte, size), r.len
	r.take(buf[:have])
	*r = ring{buf: buf, len: have}
}

// drop forgets everything and returns how much that was.
func (r *ring) drop() int {
	n := r.len
	*r = ring{}
	return n
}
