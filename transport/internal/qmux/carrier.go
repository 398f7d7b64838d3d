package qmux

import "errors"

// A Carrier transports messages to the peer and back, whole and in order.
type Carrier interface {
	// ReadMessage waits for the next message, which is valid until the next
	// call. A message larger than MaxMessage is not buffered, and its error is
	// ErrTooLarge. When the carrier ends, even in the middle of a message, the
	// error matches ErrCut.
	ReadMessage() ([]byte, error)

	// WriteMessage writes a message. It does not keep p.
	WriteMessage(p []byte) error

	// Close releases the connection within a moment and ends blocked calls. It
	// may be called at any time, and several times.
	Close() error
}

// MaxMessage is the size of the largest message that is read: a frame of
// qmux-00, which may be larger than a record.
const MaxMessage = 16384

// ErrCut is the error of ReadMessage when the carrier has ended. A Qmux
// connection ends in order only by a close frame.
var ErrCut = errors.New("cut off by the other side, or on the way to it")

// ErrTooLarge is the error of ReadMessage for a message larger than
// MaxMessage.
var ErrTooLarge = errors.New("message is too large")
