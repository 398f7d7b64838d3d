// Package age decides when a group is too old to be delivered.
//
// A group is too old when the newest timestamp of the newest group is the max
// age or more after the first timestamp of the group that follows it
// (moq-lite-06, SUBSCRIBE: max age), and never while no frame of a following
// group is known. [Groups] reports each group once, at the frame by which that
// becomes so; a frame that [Groups.GoesOn] lets pass makes no group too old.
//
// Timestamps are in units of the track's timescale. Frames without one count as
// of when they were written.
package age

import (
	"time"
)

// What the zero values of [api.TrackInfo] mean.
const (
	// DefaultMax is how old groups may become where the publisher does not say.
	DefaultMax = 5 * time.Second

	// DefaultScale is the timescale, in units per second.
	DefaultScale = 1000
)

// A Rule is how old a group may become.
type Rule struct {
	Scale uint64 // units per second
	Max   uint64 // the max age in these units
}

// NewRule returns the rule for a subscription: the lesser of the two max ages.
// A subscriber's 0 is no wish of its own, a publisher's 0 the default, and a
// negative one of either none at all: only the newest group is delivered. A
// scale of 0 is the default.
func NewRule(subscriber, publisher time.Duration, scale uint64) Rule {
	if publisher == 0 {
		publisher = DefaultMax
	}
	if subscriber != 0 {
		publisher = min(publisher, subscriber)
	}
	if scale == 0 {
		scale = DefaultScale
	}
	return Rule{Scale: scale, Max: Units(max(publisher, 0), scale)}
}

// TooOld tells whether a group is too old, given the newest timestamp of the
// newest group and the first timestamp of the group that follows it.
func (r Rule) TooOld(newest, next uint64) bool { return newest >= next && newest-next >= r.Max }

// Now is the timestamp of a frame without one that is written now, on a track
// that has begun at some time.
func Now(began time.Time, scale uint64) uint64 { return Units(time.Since(began), scale) }

// most bounds what a duration or a number of units is converted to.
const most = 1 << 62

// Units converts a duration, which is not negative, to units of a timescale.
func Units(d time.Duration, scale uint64) uint64 {
	n := float64(scale) * d.Seconds()
	if n >= most {
		return most
	}
	return uint64(n)
}

// Duration converts units of a timescale to a duration.
func Duration(n, scale uint64) time.Duration {
	return time.Duration(min(float64(n)/float64(scale)*float64(time.Second), most))
}
