// Package age decides when a group is too old to be delivered.
//
// A group is too old when the newest timestamp of the newest group is at least the max age
// above the first timestamp of the following group (moq-lite-06, SUBSCRIBE: max age). It
// is never too old while no frame of a following group is known. [Groups] reports each
// group once, at the frame that makes it too old; a frame for which [Groups.GoesOn] is true
// makes no group too old.
//
// Timestamps are in units of the track's timescale. A frame without a timestamp counts as
// of the time when it is written.
package age

import (
	"time"
)

// What the zero values of [api.TrackInfo] mean.
const (
	// DefaultMax is the max age of a track whose publisher sets none.
	DefaultMax = 5 * time.Second

	// DefaultScale is the timescale, in units per second.
	DefaultScale = 1000
)

// A Rule is the max age of a subscription, in the track's timescale.
type Rule struct {
	Scale uint64 // units per second
	Max   uint64 // the max age in these units
}

// NewRule returns the rule for a subscription: the lesser of the two max ages. 0 means for
// the subscriber that the publisher's applies, and for the publisher [DefaultMax]. A
// negative max age of either means that only the newest group is delivered. A scale of 0
// is [DefaultScale].
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

// TooOld reports whether a group is too old, given the newest timestamp of the newest
// group and the first timestamp of the group that follows it.
func (r Rule) TooOld(newest, next uint64) bool { return newest >= next && newest-next >= r.Max }

// Now is the timestamp that a frame without one gets when it is written now: the units
// since began.
func Now(began time.Time, scale uint64) uint64 { return Units(time.Since(began), scale) }

// most is the largest result of a conversion.
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
