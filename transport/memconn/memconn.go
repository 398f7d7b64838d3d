// Package memconn connects two ends of one process: streams with real flow
// control and stream limits, datagrams, and, if asked for, a delay. It does no
// I/O and sleeps on nothing but timers, channels and condition variables, so
// that whatever runs over it can run in a [testing/synctest] bubble.
//
// A [Network] is a namespace of listeners and the [transport.Dialer] that
// reaches them. [Pipe] makes both ends of one connection without any.
//
//	var network memconn.Network
//	listener, err := network.Listen("relay.example", []string{"moq-lite-06"}, nil)
//	conn, err := network.Dial(ctx, "https://relay.example/live", []string{"moq-lite-06"})
//
// A connection behaves as QUIC does where a session could tell the difference:
//
//   - The peer learns of a stream by the first thing sent on it: data, an end,
//     or a reset. To open one sends nothing. Streams are accepted in the order
//     in which the peer learned of them.
//   - A Write takes what stream and connection have credit for, and blocks for
//     the rest. Reading gives credit back, and so does abandoning a stream,
//     for what was unread.
//   - A stream counts against the limit until both halves have ended and the
//     accepting side knows it: it has read the end or the reset, or cancelled;
//     and it has closed or cancelled its own half, or been told by Write that
//     the peer refuses it.
//   - A reset discards what the reader has not read, and a close of the
//     connection discards that of all streams.
package memconn

import "time"

// Name is what [transport.State] calls this binding.
const Name = "memory"

// A Config is what one end of a connection grants the other, and how long what
// it sends is under way. It is not changed once in use.
type Config struct {
	// StreamWindow is how many bytes the peer may have unread on one stream.
	// Zero is 256 KiB.
	StreamWindow int

	// ConnWindow is how many bytes the peer may have unread on all streams
	// together. Zero is 16 MiB.
	ConnWindow int

	// MaxStreams is how many bidirectional streams of the peer may be open at
	// once. Zero is 4096, less than zero is none.
	MaxStreams int

	// MaxUniStreams is the same for unidirectional streams.
	MaxUniStreams int

	// MaxDatagramSize is the largest datagram that the peer may send. Zero is
	// 1200.
	MaxDatagramSize int

	// OneWayDelay is how long after it was sent anything reaches the peer, in
	// order. Zero is at once.
	OneWayDelay time.Duration
}

// Defaults of Config.
const (
	defaultStreamWindow = 256 << 10
	defaultConnWindow   = 16 << 20
	defaultStreams      = 4096
	defaultDatagramSize = 1200
)

// withDefaults is a copy without zeros, nor sizes that make no sense; c may be
// nil.
func (c *Config) withDefaults() Config {
	var d Config
	if c != nil {
		d = *c
	}
	orDefault(&d.StreamWindow, defaultStreamWindow)
	orDefault(&d.ConnWindow, defaultConnWindow)
	orDefault(&d.MaxDatagramSize, defaultDatagramSize)
	if d.MaxStreams == 0 {
		d.MaxStreams = defaultStreams
	}
	if d.MaxUniStreams == 0 {
		d.MaxUniStreams = defaultStreams
	}
	return d
}

func orDefault(v *int, d int) {
	if *v <= 0 {
		*v = d
	}
}

// An Addr is the address of an end: the host that was listened on, or the
// number of a client.
type Addr string

// Network is "memory".
func (a Addr) Network() string { return Name }

// String is the address itself.
func (a Addr) String() string { return string(a) }
