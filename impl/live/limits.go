package live

import (
	"time"

	"github.com/moqlite/moqlite/api"
)

// Limits bound what a track holds of its past. Zero fields are the defaults.
//
// A track never holds more than the larger of Bytes and GroupBytes, and a
// newest frame of at most 64 KiB again in the forms, four at most, in which many
// subscribers get it. What counts is the memory that is taken: payloads, and
// some bytes for each frame and group.
type Limits struct {
	// Bytes is how much the groups of a track take before the oldest are
	// evicted, those still being written too; the newest never is. 0 is 16 MiB.
	Bytes int64

	// Age is how long a group is held after the last write to it, unless it is
	// the newest. Groups are evicted when newer ones are opened: a track on
	// which nothing is written keeps what it has. 0 is 30 seconds, or the
	// track's MaxLatency if that is longer.
	Age time.Duration

	// GroupBytes is how large a group may become. Beyond, it is reset with
	// [api.StreamGroupTooLarge] for everyone, its writer included. 0 is 64 MiB.
	GroupBytes int64
}

const (
	defaultBytes      = 16 << 20
	defaultAge        = 30 * time.Second
	defaultGroupBytes = 64 << 20
)

// withDefaults are the limits of a track.
func (l Limits) withDefaults(info *api.TrackInfo) Limits {
	if l.Bytes == 0 {
		l.Bytes = defaultBytes
	}
	if l.Age == 0 {
		l.Age = max(defaultAge, info.MaxLatency)
	}
	if l.GroupBytes == 0 {
		l.GroupBytes = defaultGroupBytes
	}
	return l
}
