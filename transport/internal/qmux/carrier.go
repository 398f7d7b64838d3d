package qmux

import "errors"

// A Carrier takes messages to the peer and back, whole and in order.
type Carrier interface {
	// ReadMessage waits for the next message, which is good until the next
	// call. One larger than MaxMessage is an error, and nothing keeps it. At the
	// carrier's end, also within a message, the error matches ErrCut.
	ReadMessage() ([]byte, error)

	// WriteMessage keeps nothing of p.
	WriteMessage(p []byte) error

	// Close releases everything within a moment, and ends calls that hang. It
	// is called at any time, and may be called again.
	Close() error
}

// MaxMessage is the largest message to read: a frame of qmux-00, which is
// larger than a record.
const MaxMessage = 16384

// ErrCut is what ReadMessage says when the carrier has come to its end: only a
// close of Qmux is the end of a connection.
var ErrCut = errors.New("cut off by the other side, or on the way to it")

// ErrTooLarge is what ReadMessage says of a message that is too large.
var ErrTooLarge = errors.New("message is too large")
