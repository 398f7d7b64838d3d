package waiting

// A Ring is a queue of bytes in an array that grows and shrinks with its
// contents: except for small ones, the array is at most four times as large as
// the contents. So the flow control windows bound the memory that a peer can
// cause, also when it fills one stream after the other.
type Ring struct {
	buf   []byte
	start int
	len   int
}

const (
	minRing = 64

	// KeepRing is the size up to which the array is kept when the ring is
	// nearly or completely empty, so that a stream does not allocate for each
	// message.
	KeepRing = 16 << 10
)

// Put appends p.
func (r *Ring) Put(p []byte) {
	if r.len+len(p) > len(r.buf) {
		r.resize(r.len + len(p))
	}
	// The size of the array is a power of two.
	end := (r.start + r.len) & (len(r.buf) - 1)
	n := copy(r.buf[end:], p)
	copy(r.buf, p[n:])
	r.len += len(p)
}

// Take moves the first bytes to p and returns how many.
func (r *Ring) Take(p []byte) int {
	n := r.copyOut(p)
	if len(r.buf) > KeepRing && r.len <= len(r.buf)/4 {
		if r.len == 0 {
			r.buf = nil
		} else {
			r.resize(2 * r.len)
		}
	}
	return n
}

// copyOut is Take without shrinking the array.
func (r *Ring) copyOut(p []byte) int {
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

// resize changes the size of the array to the least power of two that is at
// least n.
func (r *Ring) resize(n int) {
	size := minRing
	for size < n {
		size *= 2
	}
	buf, have := make([]byte, size), r.len
	r.copyOut(buf[:have])
	*r = Ring{buf: buf, len: have}
}

// Len returns the number of bytes in the ring.
func (r *Ring) Len() int { return r.len }

// Cap returns the size of the array.
func (r *Ring) Cap() int { return len(r.buf) }

// Drop discards the contents and the array, and returns how many bytes were in
// it.
func (r *Ring) Drop() int {
	n := r.len
	*r = Ring{}
	return n
}
