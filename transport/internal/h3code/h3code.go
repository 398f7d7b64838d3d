// Package h3code maps moq-lite's codes into the range that HTTP/3 reserves for
// WebTransport applications, and back. Native QUIC uses the same mapping for
// stream codes.
package h3code

const (
	first = 0x52e4a40fa8db
	last  = 0x52e5ac983162

	// max is the largest code that can be mapped.
	max = 1<<32 - 1
)

// Encode maps a code. A code of more than 32 bits becomes the largest one.
func Encode(code uint64) uint64 {
	code = min(code, max)
	return first + code + code/0x1e
}

// Decode returns the code that h was mapped from. ok is false if h is outside
// of the range, or one of the values in it that HTTP/3 reserves for greasing.
func Decode(h uint64) (code uint64, ok bool) {
	if h < first || h > last || (h-0x21)%0x1f == 0 {
		return 0, false
	}
	shifted := h - first
	return shifted - shifted/0x1f, true
}
