// Package memconn connects two ends in one process: streams with real flow
// control and stream limits, datagrams, and, if wanted, a delay. It does no
// I/O and blocks only on timers, channels and condition variables, so that
// code over it can run in a [testing/synctest] bubble.
//
// A [Network] is a set of listeners and the [transport.Dialer] that connects
// to them. [Pipe] makes both ends of one connection without a network.
//
//	var network memconn.Network
//	listener, err := network.Listen("relay.example", []string{"moq-lite-06"}, nil)
//	conn, err := network.Dial(ctx, "https://relay.example/live", []string{"moq-lite-06"})
//
// A connection behaves like QUIC where a session could tell the difference:
//
//   - Opening a stream sends nothing: the peer learns of the stream by the
//     first data, end or reset that is sent on it. Streams are accepted in the
//     order in which the peer learned of them.
//   - Write takes as many bytes as the credit of the stream and the connection
//     allows, and blocks until it has credit for the rest. Reading returns
//     credit; abandoning a stream returns the credit for its unread bytes.
//   - A stream counts against the stream limit until both halves have ended
//     and the accepting side knows it: it has read the end or the reset, or
//     cancelled; and it has closed or cancelled its own half, or a Write has
//     reported that the peer refuses it.
//   - A reset discards what was not read from the stream, and a close of the
//     connection discards what was not read from any stream.
package memconn

import (
	"time"

	"github.com/moqlite/moqlite/transport/internal/streams"
)

// Name is the Transport of the connections' [transport.State].
const Name = "memory"

// A Config has the flow control windows and limits that one end of a
// connection grants the other, and the delay of what it sends. It must not
// change once it is in use.
type Config struct {
	// StreamWindow is how many unread bytes one stream may have. Zero: 256
	// KiB.
	StreamWindow int

	// ConnWindow is how many unread bytes all streams together may have. Zero:
	// 16 MiB.
	ConnWindow int

	// MaxStreams is how many bidirectional streams of the peer may be open at
	// once. Zero: 4096; negative: none.
	MaxStreams int

	// MaxUniStreams is the same for unidirectional streams.
	MaxUniStreams int

	// MaxDatagramSize is the size of the largest datagram that the peer may
	// send, in bytes. Zero: 1200.
	MaxDatagramSize int

	// OneWayDelay is the delay of everything that this end sends, whose order
	// is kept. Zero: no delay.
	OneWayDelay time.Duration
}

// Defaults of Config.
const (
	defaultStreamWindow = 256 << 10
	defaultConnWindow   = 16 << 20
	defaultStreams      = 4096
	defaultDatagramSize = 1200
)

// withDefaults returns a copy with the defaults in place of zero or senseless
// values; c may be nil.
func (c *Config) withDefaults() Config {
	var d Config
	if c != nil {
		d = *c
	}
	streams.Default(&d.StreamWindow, defaultStreamWindow)
	streams.Default(&d.ConnWindow, defaultConnWindow)
	streams.Default(&d.MaxDatagramSize, defaultDatagramSize)
	if d.MaxStreams == 0 {
		d.MaxStreams = defaultStreams
	}
	if d.MaxUniStreams == 0 {
		d.MaxUniStreams = defaultStreams
	}
	return d
}

// An Addr is the address of an end: the host of the listener, or a number for
// the client.
type Addr string

// Network returns "memory".
func (a Addr) Network() string { return Name }

// String returns the address.
func (a Addr) String() string { return string(a) }
