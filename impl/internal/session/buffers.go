package session

import (
	"slices"
	"sync"
)

// The sizes of the buffers that groups gather in, and share when they have
// ended. What is smaller than the least is not worth it.
const (
	smallBuffer  = 4 << 10
	middleBuffer = 16 << 10
	largeBuffer  = maxPending + headerRoom
)

var (
	smallBuffers  = sync.Pool{New: func() any { return new([smallBuffer]byte) }}
	middleBuffers = sync.Pool{New: func() any { return new([middleBuffer]byte) }}
	largeBuffers  = sync.Pool{New: func() any { return new([largeBuffer]byte) }}
)

// grow returns b with room for n more bytes. The caller gives up b.
func grow(b []byte, n int) []byte {
	need := len(b) + n
	if need <= cap(b) {
		return b
	}
	var larger []byte
	switch {
	case need <= smallBuffer/4, need > largeBuffer:
		return slices.Grow(b, n)
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

// recycle gives b up, and returns it, empty, if nobody else has a use for it.
func recycle(b []byte) []byte {
	switch cap(b) {
	case smallBuffer:
		smallBuffers.Put((*[smallBuffer]byte)(b[:smallBuffer]))
	case middleBuffer:
		middleBuffers.Put((*[middleBuffer]byte)(b[:middleBuffer]))
	case largeBuffer:
		largeBuffers.Put((*[largeBuffer]byte)(b[:largeBuffer]))
	default:
		return b[:0]
	}
	return nil
}
