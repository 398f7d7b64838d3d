package ingest

import (
	"log/slog"
	"time"

	"github.com/moqlite/moqlite/api"
	"github.com/moqlite/moqlite/api/media"
)

// A Pace says when a packet is sent.
type Pace uint8

const (
	// Smooth sends each packet when its decoding time has come, on a clock that
	// begins with the first packet; pictures of which some are decoded before
	// they are shown (B-frames), later by the most of that. It is for sources that are faster than
	// their timestamps, as files are, and for those that come in bursts, as
	// pipes and fragments do. A packet that comes too late is sent at once, and
	// those behind it later by as much; a source whose clock is faster than
	// ours is caught up with, by at most 2 %.
	Smooth Pace = iota

	// Immediate sends each packet as soon as the source has it. It is for
	// sources that have a smooth pace of their own, as an encoder in the same
	// program has, and adds no delay.
	Immediate
)

// A Config says how a source is published. The zero value is the default.
type Config struct {
	// Container is how a frame holds its packet. The zero value, legacy, is
	// what every player reads.
	Container media.ContainerKind

	// Pace says when a packet is sent.
	Pace Pace

	// Buffer is how long the first packet is held back, so that later ones may
	// be late by that much, with [Smooth]. A source that is late by more makes
	// its own.
	Buffer time.Duration

	// AudioGroup is how much sound a group has. What is at hand together goes
	// into one group all the same, since players ask for the newest group
	// alone. 0 is 100 ms.
	AudioGroup time.Duration

	// Name names the track of one of the source's. nil: "video" and "audio",
	// and "video1", "video2" where there are several. No two may be equal, or
	// like a catalog's.
	Name func(media.Track) api.TrackName

	// Edit may change the catalog before it is published, each time.
	Edit func(*media.Catalog)

	// Loop begins the source again at its end, without a seam: timestamps go
	// on. The source must have a method Rewind() error, as the readers of
	// formats have, which fails where what is beneath them cannot seek.
	Loop bool

	// MSF publishes an MSF catalog besides, as track "catalog": for broadcasts
	// whose path ends in ".msf".
	MSF bool

	// Clock tells the wall time of the broadcast's media time 0. nil: it is
	// measured when the first packet is sent.
	Clock *media.Clock

	// Logger is told of what the source does wrong. nil: nobody is.
	Logger *slog.Logger
}

// defaultAudioGroup is five frames of AAC: as few groups as players need to
// stay in step on a busy machine.
const defaultAudioGroup = 100 * time.Millisecond

// complete returns a copy of c with its defaults.
func (c *Config) complete() Config {
	var full Config
	if c != nil {
		full = *c
	}
	if full.AudioGroup <= 0 {
		full.AudioGroup = defaultAudioGroup
	}
	if full.Logger == nil {
		full.Logger = slog.New(slog.DiscardHandler)
	}
	return full
}
