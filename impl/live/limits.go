package live

import (
	"time"

	"github.com/moqlite/moqlite/api"
)

// Limits bound what a track holds. Zero fields have the defaults given.
//
// A track never holds more than the larger of Bytes and GroupBytes, and in
// addition the newest frame, if it is at most 64 KiB, in up to four encoded
// forms that are shared by its subscribers. Memory counts as it is allocated:
// payloads, and some bytes for each frame and group.
type Limits struct {
	// Bytes is how much the groups of a track may take before the oldest are
	// evicted, even if they are still being written; the newest is never
	// evicted. 0 is 16 MiB.
	Bytes int64

	// Age is how long a group is held after the last write to it, unless it is
	// the newest. Groups are evicted only when something is written: a track
	// that nobody writes to keeps what it has. 0 is 30 seconds, or the track's
	// MaxLatency if that is longer.
	Age time.Duration

	// GroupBytes is how large a group may become. A larger one is reset with
	// [api.StreamGroupTooLarge] for all readers and the writer. 0 is 64 MiB.
	GroupBytes int64
}

const (
	defaultBytes      = 16 << 20
	defaultAge        = 30 * time.Second
	defaultGroupBytes = 64 << 20
)

// withDefaults returns the limits of a track with this info.
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
