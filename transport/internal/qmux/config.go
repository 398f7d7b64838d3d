package qmux

import (
	"time"

	"github.com/moqlite/moqlite/transport"
	"github.com/moqlite/moqlite/transport/internal/streams"
)

// A Config has the flow control windows and stream limits that one side grants
// the other. Zero fields have defaults.
type Config struct {
	// StreamWindow is how many unread bytes one stream may have. Zero: 1 MiB.
	StreamWindow int

	// ConnWindow is how many unread bytes all streams together may have. Zero:
	// 16 MiB.
	ConnWindow int

	// MaxStreams is how many bidirectional streams of the peer may be open at
	// once. Zero: 1024; negative: none.
	MaxStreams int

	// MaxUniStreams is the same for unidirectional streams.
	MaxUniStreams int

	// IdleTimeout is how long the peer may be silent before the connection
	// ends; it is pinged meanwhile. Zero: 30 seconds. qmux-00 has no pings and
	// no such limit.
	IdleTimeout time.Duration
}

const (
	defaultStreamWindow = 1 << 20
	defaultConnWindow   = 16 << 20
	defaultStreams      = 1024
	defaultIdleTimeout  = 30 * time.Second
)

// withDefaults returns a copy with the defaults in place of zeros; c may be
// nil.
func (c *Config) withDefaults() Config {
	var d Config
	if c != nil {
		d = *c
	}
	streams.Default(&d.StreamWindow, defaultStreamWindow)
	streams.Default(&d.ConnWindow, defaultConnWindow)
	limit(&d.MaxStreams)
	limit(&d.MaxUniStreams)
	if d.IdleTimeout <= 0 {
		d.IdleTimeout = defaultIdleTimeout
	}
	return d
}

// limit sets a number of streams to its default if it is zero, and to zero if it is
// negative.
func limit(v *int) {
	if *v == 0 {
		*v = defaultStreams
	}
	*v = max(0, *v)
}

// Options are the parameters of [New].
type Options struct {
	Version Version
	Client  bool
	Config  *Config // nil: the defaults

	// State is the State of the connection. If Protocols is set, New fills in
	// Protocol.
	State transport.State

	// Protocols are the protocols to negotiate in the transport parameters, in
	// order of preference; the server's order decides. Nil: the protocol is
	// known already.
	Protocols []string
}

// params returns the transport parameters of this side.
func (o *Options) params(c *Config) Params {
	window := uint64(c.StreamWindow)
	p := Params{
		MaxData:          uint64(c.ConnWindow),
		StreamDataLocal:  window,
		StreamDataRemote: window,
		StreamDataUni:    window,
		StreamsBidi:      uint64(c.MaxStreams),
		StreamsUni:       uint64(c.MaxUniStreams),
		MaxRecord:        MinRecordSize,
		IdleTimeout:      c.IdleTimeout,
		Protocols:        o.Protocols,
	}
	if o.Version.records() {
		p.MaxDatagram = MinRecordSize
	}
	return p
}
