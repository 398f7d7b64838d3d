package qmux

import (
	"time"

	"github.com/moqlite/moqlite/transport"
)

// A Config is what a side grants the other. Zeros are the defaults.
type Config struct {
	// StreamWindow is how many bytes the peer may have unread on one stream.
	// Zero is 1 MiB.
	StreamWindow int

	// ConnWindow is how many bytes the peer may have unread on all streams
	// together. Zero is 16 MiB.
	ConnWindow int

	// MaxStreams is how many bidirectional streams of the peer may be open at
	// once. Zero is 1024, less than zero is none.
	MaxStreams int

	// MaxUniStreams is the same for unidirectional streams.
	MaxUniStreams int

	// IdleTimeout is how long nothing may come from the peer, which is pinged
	// meanwhile. Zero is 30 s. Without pings, in qmux-00, there is no such limit.
	IdleTimeout time.Duration
}

const (
	defaultStreamWindow = 1 << 20
	defaultConnWindow   = 16 << 20
	defaultStreams      = 1024
	defaultIdleTimeout  = 30 * time.Second
)

// withDefaults is a copy without zeros; c may be nil.
func (c *Config) withDefaults() Config {
	var d Config
	if c != nil {
		d = *c
	}
	positive(&d.StreamWindow, defaultStreamWindow)
	positive(&d.ConnWindow, defaultConnWindow)
	limit(&d.MaxStreams)
	limit(&d.MaxUniStreams)
	if d.IdleTimeout <= 0 {
		d.IdleTimeout = defaultIdleTimeout
	}
	return d
}

func positive(v *int, or int) {
	if *v <= 0 {
		*v = or
	}
}

func limit(v *int) {
	if *v == 0 {
		*v = defaultStreams
	}
	*v = max(0, *v)
}

// Options make a Conn of a Carrier.
type Options struct {
	Version Version
	Client  bool
	Config  *Config // nil: the defaults

	// State is the connection's. Its Protocol is set here if Protocols is.
	State transport.State

	// Protocols are to be negotiated in band, the most wanted first: the
	// server's order decides. Nil: they are known already.
	Protocols []string
}

// params are what a side of these options tells the other.
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
