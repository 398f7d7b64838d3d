package send

import (
	"slices"
	"sync"
)

// The sizes of the pooled buffers for pending bytes. A group has a buffer only while
// it has pending bytes.
const (
	tinyBuffer   = 512
	smallBuffer  = 4 << 10
	middleBuffer = 16 << 10
	largeBuffer  = maxPending + headerRoom
)

var (
	tinyBuffers   = sync.Pool{New: func() any { return new([tinyBuffer]byte) }}
	smallBuffers  = sync.Pool{New: func() any { return new([smallBuffer]byte) }}
	middleBuffers = sync.Pool{New: func() any { return new([middleBuffer]byte) }}
	largeBuffers  = sync.Pool{New: func() any { return new([largeBuffer]byte) }}
)

// grow returns b with room for n more bytes, in a larger buffer if necessary; b is then
// returned to its pool. The caller must not use b any more.
func grow(b []byte, n int) []byte {
	need := len(b) + n
	if need <= cap(b) {
		return b
	}
	var larger []byte
	switch {
	case need > largeBuffer:
		return slices.Grow(b, n)
	case need <= tinyBuffer:
		larger = tinyBuffers.Get().(*[tinyBuffer]byte)[:0]
	case need <= smallBuffer:
		larger = smallBuffers.Get().(*[smallBuffer]byte)[:0]
	case need <= middleBuffer:
		larger = middleBuffers.Get().(*[middleBuffer]byte)[:0]
	default:
		larger = largeBuffers.Get().(*[largeBuffer]byte)[:0]
	}
	larger = append(larger, b...)
	recycle(b)
	return larger
}

// recycle returns b to the pool of its size, if there is one.
func recycle(b []byte) {
	switch cap(b) {
	case tinyBuffer:
		tinyBuffers.Put((*[tinyBuffer]byte)(b[:tinyBuffer]))
	case smallBuffer:
		smallBuffers.Put((*[smallBuffer]byte)(b[:smallBuffer]))
	case middleBuffer:
		middleBuffers.Put((*[middleBuffer]byte)(b[:middleBuffer]))
	case largeBuffer:
		largeBuffers.Put((*[largeBuffer]byte)(b[:largeBuffer]))
	}
}
