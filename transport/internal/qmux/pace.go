package qmux

import "time"

const (
	// slowWrite is how long writing a message should take at most: data that
	// becomes urgent meanwhile has to wait, and the peer reads nothing of a
	// message before all of it has arrived.
	slowWrite = 5 * time.Millisecond

	// fastWrite is the time below which the next message may be larger.
	fastWrite = time.Millisecond

	// minMessage is the size below which messages do not shrink, in bytes.
	minMessage = 1024
)

// A pace adapts the size of messages to the speed of the carrier. Only the
// writer goroutine uses it.
type pace struct{ saved int } // of the largest

// limit returns the size that the next message may have, in bytes.
func (p *pace) limit() int { return MinRecordSize - p.saved }

// wrote records how long it took to write a message.
func (p *pace) wrote(size int, took time.Duration) {
	switch {
	case took > slowWrite && size > minMessage:
		// Halving adapts to a slow link within a few messages, and steps back
		// probe it again: as congestion control does.
		p.saved = MinRecordSize - max(min(size, p.limit())/2, minMessage)
	case took < fastWrite && p.saved > 0:
		p.saved = max(0, p.saved-minMessage)
	}
}
