package api

import (
	"math"
	"math/bits"
	"time"
)

// Timestamp returns t as a [Frame]'s timestamp: the units of the track's
// timescale since 1970 UTC, the begun one left out. It is for tracks whose
// timestamps are the wall clock, as those of data mostly are; media may count
// from any moment. Times before 1970 are 0, and those beyond what a timestamp
// can be are the largest.
func (i TrackInfo) Timestamp(t time.Time) uint64 {
	s := t.Unix()
	if s < 0 {
		return 0
	}
	over, whole := bits.Mul64(uint64(s), i.timescale())
	high, low := bits.Mul64(uint64(t.Nanosecond()), i.timescale())
	part, _ := bits.Div64(high, low, uint64(time.Second))
	sum, carry := bits.Add64(whole, part, 0)
	if over != 0 || carry != 0 {
		return math.MaxUint64
	}
	return sum
}

// Time returns the moment of a timestamp that counts since 1970, in UTC: the
// first nanosecond of its unit. So Timestamp(Time(x)) is x in every timescale
// up to 1,000,000,000. What a track's timestamps count from is its publisher's
// choice, except below moq-lite-05, where they are the arrival in Unix
// milliseconds.
func (i TrackInfo) Time(timestamp uint64) time.Time {
	scale := i.timescale()
	high, low := bits.Mul64(timestamp%scale, uint64(time.Second))
	part, rest := bits.Div64(high, low, scale)
	if rest > 0 {
		part++
	}
	return time.Unix(int64(min(timestamp/scale, math.MaxInt64)), int64(part)).UTC()
}

// timescale returns the units a second.
func (i TrackInfo) timescale() uint64 {
	if i.Timescale == 0 {
		return 1000
	}
	return i.Timescale
}
