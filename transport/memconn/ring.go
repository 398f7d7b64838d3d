package memconn

// A ring is a queue of bytes in an array that grows with what is in it. The
// window bounds that, and so the array is at most twice as large.
type ring struct {
	buf   []byte
	start int
	len   int
}

const minRing = 64

func (r *ring) write(p []byte) {
	if r.len+len(p) > len(r.buf) {
		r.grow(r.len + len(p))
	}
	end := (r.start + r.len) & (len(r.buf) - 1)
	n := copy(r.buf[end:], p)
	copy(r.buf, p[n:])
	r.len += len(p)
}

func (r *ring) read(p []byte) int {
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

// grow makes room for n bytes. The size is a power of two.
func (r *ring) grow(n int) {
	size := max(minRing, len(r.buf))
	for size < n {
		size *= 2
	}
	buf, have := make([]byte, size), r.len
	r.read(buf[:have])
	*r = ring{buf: buf, len: have}
}

// drop forgets everything and returns how much that was.
func (r *ring) drop() int {
	n := r.len
	*r = ring{}
	return n
}
