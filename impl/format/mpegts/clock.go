package mpegts

import (
	"math"
	"time"
)

const (
	ticks    = 90000 // a second
	wrap     = 1 << 33
	unstated = math.MinInt64 // a time that a header does not tell
)

// A clock makes the 33-bit times of a program, which begin anew every 26.5
// hours, into times that do not.
type clock struct {
	set         bool
	first, last int64
}

// unroll returns the time nearest to the last one that a 33-bit time may be.
func (c *clock) unroll(t int64) int64 {
	if !c.set {
		c.set, c.first, c.last = true, t, t
		return t
	}
	step := (t - c.last) & (wrap - 1)
	if step >= wrap/2 {
		step -= wrap
	}
	c.last += step
	return c.last
}

// elapsed is how much of the stream has passed.
func (c *clock) elapsed() time.Duration { return toDuration(c.last - c.first) }

// toDuration converts ticks, to the nearest nanosecond.
func toDuration(t int64) time.Duration {
	const numerator, denominator = int64(time.Second) / 10000, ticks / 10000
	half := int64(denominator / 2)
	if t < 0 {
		half = -half
	}
	return time.Duration((t*numerator + half) / denominator)
}

// ofSamples is how long n samples are, to the nearest nanosecond.
func ofSamples(n int64, rate int) time.Duration {
	whole, rest := n/int64(rate), n%int64(rate)
	return time.Duration(whole)*time.Second + time.Duration((rest*int64(time.Second)+int64(rate)/2)/int64(rate))
}
