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

	// endsSoonWithin is how long before the end of a session, or its peer's
	// GOAWAY, a reset on it may be a part of that.
	endsSoonWithin = 500 * time.Millisecond

	// greetedWithin is how long after a dial, besides a round trip, a server that
	// is about to end may take to say so.
	greetedWithin = 200 * time.Millisecond

	// drainPoll is how often a session that drains is polled for what it still
	// serves, if it does not tell.
	drainPoll = 100 * time.Millisecond

	// initialWithin is how long the initial set of announcements of a new
	// session may take before it is taken to be complete.
	initialWithin = 10 * time.Second

	// ignoreEndsWithin is how long before the end of a stream the ends that it
	// announces are ignored.
	ignoreEndsWithin = 100 * time.Millisecond

	// withdrawnWithin is how long after the reset of a feed a relay may report
	// that the publisher is gone: it waits for another one first.
	withdrawnWithin = 1500 * time.Millisecond

	// lookAgainAfter is how often it is looked whether a group that broke off
	// has to be fetched, and regainWithin how long a feed that has asked for it
	// again may take to bring it.
	lookAgainAfter = 200 * time.Millisecond
	regainWithin   = 5 * time.Second

	// probeAgainAfter is the mean wait before a peer that has not answered is
	// asked for a sign of life once more.
	probeAgainAfter = time.Second

	// originWithin is how long a session may take to announce a broadcast
	// before a track subscribes that has to continue the numbers of an origin.
	originWithin = 5 * time.Second

	// checkNumbersAfter is how long a resumed feed may bring nothing before its
	// numbers are checked: longer than a group may take from one relay to
	// another.
	checkNumbersAfter = time.Second

	// newestWithin is how long the peer may take to send its newest group, and
	// newerWithin how long a newer one may come after the first.
	newestWithin = 2 * time.Second
	newerWithin  = 200 * time.Millisecond

	// maxLag is how late a feed may be with a group that another feed has
	// brought: longer than a relay takes to decide that a standby continues its
	// groups. muteFor is how long neither feed may bring anything.
	maxLag  = 400 * time.Millisecond
	muteFor = time.Second

	// trialFor is how long a trial of two feeds may take, and maxPace how long
	// their next group is waited for.
	trialFor = 2 * time.Second
	maxPace  = 4 * time.Second

	// A group that the peer has from one publisher comes by two feeds within a
	// quarter of a group's duration, within these bounds.
	minAside = 5 * time.Millisecond
	maxAside = 50 * time.Millisecond

	// reorderWait is how long groups may come after later ones before they count as
	// lost.
	reorderWait = time.Second

	// idleFor is how long a track is silent before a feed hands over to one that
	// has not begun either.
	idleFor = 5 * time.Second

	// replacedGrace is how long the groups of a publisher that was replaced are
	// still read: a publisher that was killed never ends what it has begun.
	replacedGrace = 500 * time.Millisecond
)
