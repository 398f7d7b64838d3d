package ingest

import "time"

const (
	// jitterWindow is how long sending times are compared with each other.
	jitterWindow = 10 * time.Second

	// jitterStep is the least by which a rendition's jitter is raised: each
	// version of a catalog makes players build new decoders.
	jitterStep = 20 * time.Millisecond
)

// A jitterMeter measures how long packets wait between being ready to be shown
// and being sent: the differences between the time at which a packet is sent
// and its presentation time, compared with the least of all tracks, since
// players keep all on one clock.
type jitterMeter struct {
	tracks   map[int]*trackJitter
	earliest time.Duration // the least difference of this window
	since    time.Duration // when the window began, on the clock of sending
	any      bool
}

// A trackJitter is what was measured of one track.
type trackJitter struct {
	latest   time.Duration // the largest difference of this window
	any      bool
	declared time.Duration
}

func newJitterMeter(tracks []int) *jitterMeter {
	m := &jitterMeter{tracks: make(map[int]*trackJitter)}
	for _, id := range tracks {
		m.tracks[id] = new(trackJitter)
	}
	return m
}

// sent counts a packet of a track that is shown at pts and sent at a time, which
// is counted from anywhere.
func (m *jitterMeter) sent(track int, at, pts time.Duration) {
	difference := at - pts
	if !m.any {
		m.any, m.since, m.earliest = true, at, difference
	}
	m.earliest = min(m.earliest, difference)
	t := m.tracks[track]
	if !t.any || difference > t.latest {
		t.any, t.latest = true, difference
	}
}

// isWindowOver tells whether it is time to call raise.
func (m *jitterMeter) isWindowOver(at time.Duration) bool {
	return m.any && at-m.since >= jitterWindow
}

// raise takes what was measured as the tracks' jitter where it exceeds what was
// declared by at least step and a half of it, reports whether it did for any,
// and begins a new window.
func (m *jitterMeter) raise(step time.Duration) (raised bool) {
	for _, t := range m.tracks {
		measured := roundUp(t.latest - m.earliest)
		if t.any && measured > t.declared && measured >= t.declared+max(step, t.declared/2) {
			t.declared, raised = measured, true
		}
		t.any = false
	}
	m.any = false
	return raised
}

// roundUp returns d in whole milliseconds, which catalogs have.
func roundUp(d time.Duration) time.Duration {
	return (d + time.Millisecond - 1).Truncate(time.Millisecond)
}
