package cmaf

import (
	"math"
	"math/bits"
	"time"

	"github.com/moqlite/moqlite/api/media"
)

// Timescale returns the timescale, in units a second, in which a track is
// written: for sound the sample rate, so that a frame lasts a whole number of
// units; for pictures 90,000, which all usual frame rates divide.
func Timescale(t media.Track) uint32 {
	switch {
	case t.Audio == nil:
		return 90000
	case t.Audio.SampleRate > 0 && t.Audio.SampleRate <= math.MaxInt32:
		return uint32(t.Audio.SampleRate)
	}
	return 48000
}

// ToDuration converts ticks of a timescale, rounded to the nearest nanosecond.
// It is exact to that at every size, so nothing drifts; ToTicks gives the same
// number back as long as the timescale is below 500 MHz. It reports false if
// the result is out of range, which is 292 years.
func ToDuration(ticks int64, timescale uint32) (time.Duration, bool) {
	d, ok := scale(ticks, uint64(time.Second), uint64(timescale))
	return time.Duration(d), ok
}

// ToTicks converts to ticks of a timescale, rounded to the nearest.
func ToTicks(d time.Duration, timescale uint32) int64 {
	// No ticks are more than nanoseconds times four, and those that int64
	// does not hold are 73 years away.
	ticks, ok := scale(int64(d), uint64(timescale), uint64(time.Second))
	if !ok {
		if d < 0 {
			return math.MinInt64
		}
		return math.MaxInt64
	}
	return ticks
}

// scale returns v × num ÷ den, rounded to the nearest and by 128 bits.
func scale(v int64, num, den uint64) (int64, bool) {
	u := uint64(v)
	if v < 0 {
		u = -u
	}
	hi, lo := bits.Mul64(u, num)
	lo, carry := bits.Add64(lo, den/2, 0)
	hi += carry
	if hi >= den {
		return 0, false
	}
	q, _ := bits.Div64(hi, lo, den)
	if q > math.MaxInt64 {
		return 0, false
	}
	if v < 0 {
		return -int64(q), true
	}
	return int64(q), true
}
