package data

import (
	"cmp"
	"fmt"

	"github.com/moqlite/moqlite/api"
)

// Options say how a track is written and read. The zero value, and a nil
// *Options, are the defaults. Deflate must be the same on both sides.
type Options struct {
	// Deflate compresses each group as one stream (DEFLATE, RFC 1951), of which
	// a frame is a part: what repeats in a group costs little.
	Deflate bool

	// DeltaRatio is how many times the size of a whole value its patches may
	// have, before [SnapshotWriter] begins a group with the whole value again.
	// Zero: 8. Negative: no patches, each value is a group. Readers ignore it.
	DeltaRatio int

	// MaxFrame bounds a frame, as it is without compression, and the value that
	// patches make, in bytes. Zero: 64 MiB. What is larger is
	// [api.ErrFrameTooLarge]; the bounds of the session hold as well.
	MaxFrame int
}

// settled returns the options with their defaults.
func (o *Options) settled() Options {
	if o == nil {
		o = new(Options)
	}
	s := *o
	s.DeltaRatio = cmp.Or(s.DeltaRatio, 8)
	s.MaxFrame = cmp.Or(max(s.MaxFrame, 0), 64<<20)
	return s
}

// tooLarge is the error of what is above MaxFrame.
func (o Options) tooLarge() error {
	return fmt.Errorf("more than %d bytes: %w (Options.MaxFrame)", o.MaxFrame, api.ErrFrameTooLarge)
}
