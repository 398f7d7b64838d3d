package message

import "time"

// Milliseconds converts the milliseconds of a message to a duration, or to the longest one
// that there is.
func Milliseconds(ms uint64) time.Duration {
	const most = uint64(1<<63-1) / uint64(time.Millisecond)
	return time.Duration(min(ms, most)) * time.Millisecond
}
