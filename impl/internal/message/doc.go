// Package message encodes and decodes the messages of moq-lite-03, 04, 05 and 06.
//
// A [Version] is a row of a table. Its fields tell what exists in that version, so no
// other package of the library compares versions. It also has the version's encoding of
// integers.
//
// A message is a struct with four methods:
//
//   - Append appends the message as it is sent: its Type if the format has one
//     (responses to SUBSCRIBE, announcements of moq-lite-06), Len, and the body. The
//     type of the stream that a request opens is not included.
//   - Length returns the exact number of bytes that Append adds.
//   - Parse decodes the body that follows Len, as [ReadBody] returns it. It keeps no
//     reference to the body, and returns an error if bytes are left over.
//   - Validate returns an error if the message must not be sent.
//
// Append encodes any message that Validate accepts. It never fails and never panics. Of
// other messages it encodes a number that is out of range as the nearest that is not,
// and the rest as it is; the peer then refuses them. Code that sends values of unknown
// range calls Validate first. Append leaves out fields that the version does not have;
// Validate refuses them if that would change what the peer delivers.
//
// A frame has no Len: [FrameHeader] is written to and read from streams directly.
package message

import "errors"

// Limits on messages, when sent and when received.
const (
	// MaxVarint is the largest number.
	MaxVarint = 1<<62 - 1

	// MaxBody is the size of the largest control message, without its Len.
	MaxBody = 64 << 10

	// MaxHops is the number of entries in the longest chain of hops.
	MaxHops = 32

	// MaxSegments is the number of segments in the longest path.
	MaxSegments = 32

	// MaxURI is the size of the longest GOAWAY URI.
	MaxURI = 8192

	// MaxSetupParameters is the number of parameters in the longest SETUP.
	MaxSetupParameters = 64

	// MaxDatagram is the size of the largest datagram that is sent, header
	// included. Larger ones are accepted.
	MaxDatagram = 1200
)

// Match these with errors.Is.
var (
	// ErrMalformed: the received bytes are not a valid message.
	ErrMalformed = errors.New("malformed")

	// ErrTooLarge: the message exceeds the limit on its size.
	ErrTooLarge = errors.New("too large")

	// ErrNoRoom: too much memory is taken by messages that have not arrived whole.
	ErrNoRoom = errors.New("too many messages are incomplete")

	// ErrUnencodable: the version has no encoding for the message.
	ErrUnencodable = errors.New("cannot be encoded")
)
