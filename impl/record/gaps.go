package record

import (
	"sync"
	"time"
)

// A Gap is a time for which a track has nothing. A file fills it by having the
// packet before it last as long, so that pictures and sound stay in step.
type Gap struct {
	Track int // ID of the [media.Track]

	// Start and End are on the clock of the recording, as PTS are. They are
	// equal where the broadcast began anew, which leaves no hole, and where
	// nothing came any more.
	Start, End time.Duration

	// Err says what was lost: an [*api.GapError] for groups, a
	// [*api.RestartError], or with what the track or one of its groups broke
	// off. nil: the publisher has sent nothing.
	Err error
}

// maxGaps is how many gaps are kept of a recording.
const maxGaps = 4096

// A gapList keeps the newest gaps until they are taken.
type gapList struct {
	mu  sync.Mutex
	all []Gap
}

func (l *gapList) add(g Gap) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.all) == maxGaps {
		l.all = append(l.all[:0], l.all[maxGaps/2:]...)
	}
	l.all = append(l.all, g)
}

func (l *gapList) take() []Gap {
	l.mu.Lock()
	defer l.mu.Unlock()
	taken := l.all
	l.all = nil
	return taken
}
