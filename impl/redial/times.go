package redial

import "time"

// The times by which lasting sessions and tracks live, besides those of a
// [Policy]. None of them decides alone: what a peer says comes first, and each
// bounds how long that is waited for.
const (
	// stableAfter is how long a session, an announcement stream or a feed stands
	// before the waits for the next one begin anew: one that is accepted and
	// then thrown out is as bad as one refused.
	stableAfter = 10 * time.Second

	// fading is how long before its end, or its peer's wish to leave, what
	// happens on a session is taken for a part of that.
	fading = 500 * time.Millisecond

	// drainPoll is how often a session that drains is asked for what it still
	// serves, where it does not tell.
	drainPoll = 100 * time.Millisecond

	// initialWithin is how long the initial set of announcements of a new
	// session may take before what has come of it is taken for all.
	initialWithin = 10 * time.Second

	// breaking is how long before the end of a set of announcements what it
	// tells to have ended means nothing.
	breaking = 100 * time.Millisecond

	// telling is how long after the reset of a feed a relay may tell that the
	// publisher is gone: it waits for a while whether there is another.
	telling = 1500 * time.Millisecond

	// originWithin is how long a session may take to say where a broadcast
	// comes from, before a track is asked for that goes on with the numbers of
	// an origin.
	originWithin = 5 * time.Second

	// doubtAfter is how long a feed that goes on may bring nothing before its
	// numbers are doubted: longer than a group may take from one relay to
	// another.
	doubtAfter = time.Second

	// edgeWithin is how long the peer may take to show its newest group, and
	// edgeMore how long there may be a newer one after the first.
	edgeWithin = 2 * time.Second
	edgeMore   = 200 * time.Millisecond

	// behind is how far behind another feed one may be that brings the same
	// groups: longer than a relay takes to believe that a standby goes on with
	// them. mute is how long both may bring nothing.
	behind = 400 * time.Millisecond
	mute   = time.Second

	// trialFor is how long it may take to show that the groups of two feeds are
	// the same, and mostPace how long the next group of theirs is waited for.
	trialFor = 2 * time.Second
	mostPace = 4 * time.Second

	// At most a quarter of a group, within these bounds, is between the arrivals
	// of one that comes by two feeds, where the peer has it of one publisher.
	leastAside = 5 * time.Millisecond
	mostAside  = 50 * time.Millisecond

	// settle is how long groups may come after later ones before they count as
	// lost.
	settle = time.Second

	// idle is how long a track is quiet before a feed hands over to one that
	// has not begun either.
	idle = 5 * time.Second

	// grace is how long the groups of a publisher that was replaced are still
	// read: what has come is there, but one that was killed never ends what it
	// has begun.
	grace = 500 * time.Millisecond
)
