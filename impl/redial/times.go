package redial

import "time"

// The times of sessions that reconnect and of their tracks, besides those of a
// [Policy]. They bound how long something is waited for: what a peer reports
// counts first.
const (
	// stableAfter is how long a session, an announcement stream or a feed must
	// stand before the waits for the next one begin at the shortest again: one
	// that is accepted and then ended at once is no better than one refused.
	stableAfter = 10 * time.Second

	// fading is how long before the end of a session, or its peer's GOAWAY, a
	// reset on it may be a part of that.
	fading = 500 * time.Millisecond

	// drainPoll is how often a session that drains is polled for what it still
	// serves, if it does not tell.
	drainPoll = 100 * time.Millisecond

	// initialWithin is how long the initial set of announcements of a new
	// session may take before it is taken to be complete.
	initialWithin = 10 * time.Second

	// breaking is how long before the end of a stream the ends that it
	// announces are ignored.
	breaking = 100 * time.Millisecond

	// telling is how long after the reset of a feed a relay may report that the
	// publisher is gone: it waits for another one first.
	telling = 1500 * time.Millisecond

	// originWithin is how long a session may take to announce a broadcast
	// before a track subscribes that has to continue the numbers of an origin.
	originWithin = 5 * time.Second

	// doubtAfter is how long a resumed feed may bring nothing before its
	// numbers are checked: longer than a group may take from one relay to
	// another.
	doubtAfter = time.Second

	// edgeWithin is how long the peer may take to send its newest group, and
	// edgeMore how long a newer one may come after the first.
	edgeWithin = 2 * time.Second
	edgeMore   = 200 * time.Millisecond

	// behind is how late a feed may be with a group that another feed has
	// brought: longer than a relay takes to decide that a standby continues its
	// groups. mute is how long neither feed may bring anything.
	behind = 400 * time.Millisecond
	mute   = time.Second

	// trialFor is how long a trial of two feeds may take, and mostPace how long
	// their next group is waited for.
	trialFor = 2 * time.Second
	mostPace = 4 * time.Second

	// A group that the peer has from one publisher comes by two feeds within a
	// quarter of a group's duration, within these bounds.
	leastAside = 5 * time.Millisecond
	mostAside  = 50 * time.Millisecond

	// settle is how long groups may come after later ones before they count as
	// lost.
	settle = time.Second

	// idle is how long a track is silent before a feed hands over to one that
	// has not begun either.
	idle = 5 * time.Second

	// grace is how long the groups of a publisher that was replaced are still
	// read: a publisher that was killed never ends what it has begun.
	grace = 500 * time.Millisecond
)
