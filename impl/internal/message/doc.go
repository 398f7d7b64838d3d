// Package message is the wire format of moq-lite-03, 04, 05 and 06: what each
// message holds, and how each version writes it.
//
// A [Version] is a row of a table. It says what exists in a version and holds
// that version's integer encoding, so no other package of the library compares
// versions: it asks a field.
//
// A message is a struct with four methods:
//
//   - Append writes it whole, as it travels: its Type where the format has one
//     (responses to SUBSCRIBE, announcements of moq-lite-06), Len, and the body.
//     Requests do not include the type of the stream that they open.
//   - Length is the exact number of bytes that Append adds.
//   - Parse takes the body that follows Len, as [ReadBody] returns it. It keeps
//     no part of it, and refuses bytes that are left over.
//   - Validate says what keeps a message from being sent.
//
// Append writes any message that Validate accepts. It never fails and never
// panics: of others, numbers that have no encoding are written as the nearest
// that has one, and the rest as it is, for the peer to refuse. Who writes values
// without a bound of their own calls Validate first. Fields that a version has
// no place for are left out; Validate refuses them where that would change what
// the peer delivers.
//
// Frames have no Len and are many: [FrameHeader] is written to and read from
// streams directly.
package message

import "errors"

// The limits on what is sent and accepted.
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
	// ErrMalformed: the peer's bytes are not such a message.
	ErrMalformed = errors.New("malformed")

	// ErrTooLarge: a message is above the limit on its size.
	ErrTooLarge = errors.New("too large")

	// ErrUnencodable: the version cannot express the message.
	ErrUnencodable = errors.New("cannot be encoded")
)
