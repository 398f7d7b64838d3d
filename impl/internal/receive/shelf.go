package receive

import "slices"

// A shelf copies short byte slices into shared blocks of memory, so that many small
// groups cost one allocation.
type shelf struct {
	free []byte // the current block: its length is used up
	size int    // of that block
}

const (
	// maxShelf is the largest block. It bounds how much memory a slice that is
	// still in use keeps from being freed.
	maxShelf = 1 << 10

	// maxShelved is the length of the longest slice that goes into a block.
	maxShelved = maxShelf / 4
)

// keep returns a copy of p, in a block if p is short.
func (s *shelf) keep(p []byte) []byte {
	if len(p) > maxShelved {
		return slices.Clone(p)
	}
	start := len(s.free)
	if len(p) > cap(s.free)-start {
		s.size = min(max(2*s.size, len(p)), maxShelf)
		s.free, start = make([]byte, 0, s.size), 0
	}
	s.free = append(s.free, p...)
	return slices.Clip(s.free[start:])
}
