package api

import (
	"context"
	"strconv"
)

// A Hop identifies an endpoint or a relay in the chain of an announcement
// (moq-lite-06, "ANNOUNCE_OK", "ANNOUNCE_START" and the SETUP parameter Hop). 0
// is unknown.
type Hop uint64

// An AnnouncementStatus says what an [Announcement] tells (moq-lite-06,
// "ANNOUNCE_START", "ANNOUNCE_END", "ANNOUNCE_UPDATE"; a byte of "ANNOUNCE"
// before).
type AnnouncementStatus int

// The statuses. For each path their order is always Active, any number of
// Updated, Ended. A broadcast that was replaced is Ended and then Active.
const (
	// AnnouncementActive: the broadcast is there.
	AnnouncementActive AnnouncementStatus = iota + 1
	// AnnouncementEnded: it is gone.
	AnnouncementEnded
	// AnnouncementUpdated: its hops or costs have changed.
	AnnouncementUpdated
	// AnnouncementsComplete comes once, with no path: the reader has been told
	// all that was announced when it began. Over the network it is a hint,
	// given when the peer has sent as many announcements as ANNOUNCE_OK counted
	// and then nothing for 400 ms.
	AnnouncementsComplete
)

// String returns the status in one lower-case word.
func (s AnnouncementStatus) String() string {
	switch s {
	case AnnouncementActive:
		return "active"
	case AnnouncementEnded:
		return "ended"
	case AnnouncementUpdated:
		return "updated"
	case AnnouncementsComplete:
		return "complete"
	default:
		return "status " + strconv.Itoa(int(s))
	}
}

// An Announcement tells whether a broadcast is available, and by which route
// (moq-lite-06, "ANNOUNCE_START", "ANNOUNCE_UPDATE" and "ANNOUNCE_END"). It
// also covers the paths below its own, by whole segments, except those that a
// longer announced path covers: a publisher may serve paths that it does not
// announce, or refuse them.
type Announcement struct {
	// Path is the broadcast's full and clean path. It is empty with
	// [AnnouncementsComplete].
	Path BroadcastPath

	// Status says whether the broadcast has come, changed or gone. A [TrackMux]
	// ignores it in the announcements that it is given.
	Status AnnouncementStatus

	// Hops is the chain of peers that the announcement came through: the
	// originator first, the sender last. moq-lite-03 sends only their number:
	// they are then all zero.
	Hops []Hop

	// Warm and Cold are the route's costs (moq-lite-06): Warm while the route
	// carries the broadcast already, Cold when it must be set up. Cold is
	// 1<<62-1 if a version on the way has told no costs.
	Warm, Cold uint64

	// Publication is what is published at the path, in the announcements of a
	// [TrackMux]. It is nil in those of a peer, and in [AnnouncementEnded].
	Publication *Publication
}

// Origin returns the first hop: the publisher of the broadcast. 0 is unknown,
// as always over moq-lite-03. Groups of the same origin have the same numbers
// by every route; those of different origins are different groups.
func (a Announcement) Origin() Hop {
	if len(a.Hops) == 0 {
		return 0
	}
	return a.Hops[0]
}

// An AnnouncementReader follows the announced broadcasts below a prefix, in a
// session (moq-lite-06, "ANNOUNCE_REQUEST") or in a [TrackMux]. One goroutine
// receives at a time; Close may be called by any. Changes that a slow reader
// has missed are merged: it learns the current state, not each step. If a peer
// announces more than Limits.Announcements, the rest is left out.
//
// If nothing is announced at prefix itself but a path above covers it, the
// reader is told of a broadcast at prefix: while "room" is announced, a reader
// of "room/cam" is told that "room/cam" is active. The publisher may or may not
// have it; over the network this is known only when a subscription is accepted,
// or refused as [ErrNotFound]. If prefix itself is announced later, the first
// one is Ended and then the new one is Active.
//
// A segment that begins with a dot hides a broadcast from readers whose prefix
// does not contain that segment: "room/.stats/cpu" is listed below
// "room/.stats", but not below "room" or "". A hidden broadcast can still be
// subscribed to: directly at its publisher by anyone who knows the path, and
// through a relay if an announced path covers it, as "room" does.
type AnnouncementReader interface {
	// Receive waits for the next change; a change that is there already is
	// returned even if ctx is done. io.EOF: the peer has ended the set, so all
	// its broadcasts are gone. Any other error says nothing of the broadcasts:
	// while the session lasts, the caller may open another reader.
	Receive(ctx context.Context) (Announcement, error)

	// Close ends the reader. Blocked and later Receives return [ErrClosed].
	Close() error
}
