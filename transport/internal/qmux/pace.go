package qmux

import "time"

const (
	// A message should take no longer than this to be written: what has become
	// urgent meanwhile waits for it, and the peer reads nothing of a message
	// before it has all.
	slowWrite = 5 * time.Millisecond

	// One that takes less than this may be larger.
	fastWrite = time.Millisecond

	// minMessage is the least to which messages shrink.
	minMessage = 1024
)

// A pace says how large messages may be. The writer alone uses it.
type pace struct{ saved int } // of the largest

func (p *pace) limit() int { return MinRecordSize - p.saved }

// wrote notes how long a message has taken.
func (p *pace) wrote(size int, took time.Duration) {
	switch {
	case took > slowWrite && size > minMessage:
		p.saved = MinRecordSize - max(min(size, p.limit())/2, minMessage)
	case took < fastWrite && p.saved > 0:
		p.saved = max(0, p.saved-minMessage)
	}
}
