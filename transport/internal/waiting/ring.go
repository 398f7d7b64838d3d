package waiting

// A Ring is a queue of bytes in an array that grows and shrinks with what is in
// it: to at most four times as much, but for small ones. So the windows bound
// what a peer can make grow, also if it fills one stream after the other.
type Ring struct {
	buf   []byte
	start int
	len   int
}

const (
	minRing = 64

	// KeepRing is what is kept even if little or nothing is in it, so that a
	// stream from message to message needs no other.
	KeepRing = 16 << 10
)

// Put adds p.
func (r *Ring) Put(p []byte) {
	if r.len+len(p) > len(r.buf) {
		r.resize(r.len + len(p))
	}
	end := (r.start + r.len) & (len(r.buf) - 1)
	n := copy(r.buf[end:], p)
	copy(r.buf, p[n:])
	r.len += len(p)
}

// Take takes the first bytes out, into p, and returns how many.
func (r *Ring) Take(p []byte) int {
	n := r.pull(p)
	if len(r.buf) > KeepRing && r.len <= len(r.buf)/4 {
		if r.len == 0 {
			r.buf = nil
		} else {
			r.resize(2 * r.len)
		}
	}
	return n
}

func (r *Ring) pull(p []byte) int {
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
func (r *Ring) resize(n int) {
	size := minRing
	for size < n {
		size *= 2
	}
	buf, have := make([]byte, size), r.len
	r.pull(buf[:have])
	*r = Ring{buf: buf, len: have}
}

// Len is how much is in it.
func (r *Ring) Len() int { return r.len }

// Cap is the size of the array.
func (r *Ring) Cap() int { return len(r.buf) }

// Drop forgets everything and returns how much that was.
func (r *Ring) Drop() int {
	n := r.len
	*r = Ring{}
	return n
}
