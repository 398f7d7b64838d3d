package media

import (
	"errors"
	"fmt"
	"math"
	"math/bits"
	"time"
)

// A Frame is what a frame of a media track holds, out of its container.
type Frame struct {
	// PTS is when the frame is shown, since the beginning of the broadcast's
	// clock.
	PTS time.Duration

	// Duration is how long; 0: not known. Neither legacy nor LOC has it.
	Duration time.Duration

	// Key tells that decoding can begin here. Neither legacy nor LOC has it:
	// the first frame of a group of pictures is a key frame and the others are
	// not, which the reader of the group knows.
	Key bool

	// Marker tells that there is nothing to decode: the content ends at PTS.
	// Rust publishers end each group of pictures so. The payload is empty.
	Marker bool

	// Payload is the codec's, as in [Packet].
	Payload []byte
}

// microseconds a second: the timescale of legacy, and of LOC that names none.
const microseconds = 1_000_000

var (
	errTimestampCut = errors.New("it ends within the timestamp")
	errTooLate      = errors.New("a time.Duration does not reach so far")
)

// AppendLegacy appends f in the container legacy: the timestamp in
// microseconds, a QUIC varint (RFC 9000, section 16), then the payload. It
// writes a PTS below zero as 0, fractions of a microsecond not at all, and
// nothing but the timestamp of a marker.
func AppendLegacy(dst []byte, f Frame) []byte {
	dst = appendVarint(dst, micros(f.PTS))
	if f.Marker {
		return dst
	}
	return append(dst, f.Payload...)
}

// ParseLegacy reads a frame of the container legacy. The payload is a part of
// b. A frame without a payload is a marker.
//
// The error says why b is no such frame: it ends within the timestamp, or that
// is beyond 292 years.
func ParseLegacy(b []byte) (Frame, error) {
	timestamp, payload, ok := cutVarint(b)
	if !ok {
		return Frame{}, fmt.Errorf("legacy frame of %d bytes: %w", len(b), errTimestampCut)
	}
	pts, ok := duration(timestamp, microseconds)
	if !ok {
		return Frame{}, fmt.Errorf("legacy frame: timestamp %d µs: %w", timestamp, errTooLate)
	}
	return Frame{PTS: pts, Marker: len(payload) == 0, Payload: payload}, nil
}

// micros returns d in microseconds, and 0 if it is below zero.
func micros(d time.Duration) uint64 { return uint64(max(d, 0) / time.Microsecond) }

// duration returns v units of a timescale; false if a time.Duration does not
// reach so far. The timescale is not 0.
func duration(v, timescale uint64) (time.Duration, bool) {
	high, low := bits.Mul64(v, uint64(time.Second))
	if high >= timescale {
		return 0, false
	}
	nanoseconds, _ := bits.Div64(high, low, timescale)
	return time.Duration(nanoseconds), nanoseconds <= math.MaxInt64
}
