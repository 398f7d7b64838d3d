package ingest

import (
	"time"

	"github.com/moqlite/moqlite/api/media"
)

const (
	// maxStepBack and maxStepAhead are how far the decoding time of a track's
	// next packet may lie from where the one before ended. A larger step is
	// taken for another clock: a splice, or an encoder that began again.
	maxStepBack  = time.Second
	maxStepAhead = 10 * time.Second

	// maxAhead is the most by which a picture is decoded before it is shown, as
	// far as it counts: 16 pictures, at 8 a second.
	maxAhead = 2 * time.Second
)

// A timeline gives packets their place on the broadcast's one clock, which
// begins at 0 and never steps: timestamps of a source may begin anywhere, and
// step where it begins again or was spliced.
type timeline struct {
	origin time.Duration // of the source's clock: the earliest time of its beginning
	shift  time.Duration // from the source's clock to the broadcast's, at the newest step
	round  int
	end    time.Duration // where the latest packet ended, on the broadcast's clock
	tracks map[int]*trackTime
}

// A trackTime is where one track is on the timeline. Tracks step one after the
// other, since their packets are interleaved only roughly.
type trackTime struct {
	begun bool
	shift time.Duration
	next  time.Duration // where its last packet ended, on the broadcast's clock
	ahead time.Duration // the most by which a packet was decoded before it is shown
	sound bool
	whole time.Duration // of sound, how long the packet before lasts
}

// newTimeline returns the timeline of a source that begins at origin.
func newTimeline(origin time.Duration, tracks []media.Track) *timeline {
	t := &timeline{origin: origin, shift: -origin, tracks: make(map[int]*trackTime)}
	for _, track := range tracks {
		t.tracks[track.ID] = &trackTime{shift: t.shift, sound: track.Audio != nil}
	}
	return t
}

// place moves the times of a onto the broadcast's clock. It reports whether the
// track has stepped.
func (t *timeline) place(a *arrival) (stepped bool) {
	if a.round != t.round {
		t.beginRound(a.round)
	}
	track := t.tracks[a.Track]
	if track.begun && !isNear(a.DTS+track.shift, track.next) {
		track.shift = t.step(a.DTS, track.next)
		stepped = true
	}
	track.begun = true
	a.DTS += track.shift
	a.PTS = max(a.PTS+track.shift, 0)
	track.next = a.DTS + a.Duration
	track.ahead = max(track.ahead, min(a.PTS-a.DTS, maxAhead))
	t.end = max(t.end, a.PTS+track.lasts(a), track.next)
	return stepped
}

// lasts returns how long a is heard, or shown. Files cut the duration of their
// last packet of sound to that of the whole, but decoders give all its samples,
// and count on from there: with what follows at the cut, the sound would run
// ahead of the pictures, by more with each round.
func (t *trackTime) lasts(a *arrival) time.Duration {
	if !t.sound {
		return a.Duration
	}
	whole := max(a.Duration, t.whole)
	t.whole = a.Duration
	return whole
}

// sendingTime returns when a, which has been placed, is to be sent: when it is
// decoded, and later by the most by which the track's packets are decoded before
// they are shown. So the earliest packets of each track are sent as they are
// shown. Players put the pictures where the earliest packet of all tracks has
// them, but play sound as long after its coming: with B-frames that were sent
// ahead, it would be late by that much.
func (t *timeline) sendingTime(a *arrival) time.Duration {
	return a.DTS + t.tracks[a.Track].ahead
}

// beginRound puts the beginning of the source behind all that was sent.
func (t *timeline) beginRound(round int) {
	t.round, t.shift = round, t.end-t.origin
	for _, track := range t.tracks {
		track.begun, track.shift = false, t.shift
	}
}

// step returns the shift of a track that has stepped to dts and was at next:
// that of a track which made the same step before, or a new one, with which the
// track goes on where it was.
func (t *timeline) step(dts, next time.Duration) time.Duration {
	if !isNear(dts+t.shift, next) {
		t.shift = next - dts
	}
	return t.shift
}

// isNear tells whether a packet at time at may follow one that ended at next.
func isNear(at, next time.Duration) bool {
	return at >= next-maxStepBack && at <= next+maxStepAhead
}
