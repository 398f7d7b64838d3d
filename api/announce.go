package api

import (
	"context"
	"strconv"
)

// A Hop identifies a session's end, or a relay, within an announcement's
// chain. 0 is unknown.
type Hop uint64

// An AnnouncementStatus says what an [Announcement] tells.
type AnnouncementStatus int

// The statuses. For each path they come strictly as Active, Updated…, Ended; a
// broadcast that was replaced is Ended and then Active.
const (
	// AnnouncementActive: the broadcast is there.
	AnnouncementActive AnnouncementStatus = iota + 1
	// AnnouncementEnded: it is gone.
	AnnouncementEnded
	// AnnouncementUpdated: its hops or costs have changed.
	AnnouncementUpdated
	// AnnouncementsComplete comes once, with no path: all that was there when
	// the reader began has been told. Over the network it is a hint, given
	// when the peer has told as many as it said it would and then nothing for
	// 400 ms.
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

// An Announcement tells of a broadcast's availability. It is a route for what
// lies below its path too, by whole segments, but for what a longer announcement
// covers: a publisher may answer for paths that it does not list, or refuse them.
type Announcement struct {
	// Path is full and clean: that of the broadcast. It is empty with
	// [AnnouncementsComplete].
	Path BroadcastPath

	// Status says whether the broadcast has come, changed or gone. A [TrackMux]
	// does not look at it in what is announced with it.
	Status AnnouncementStatus

	// Hops is the chain that the announcement took, the originator first and
	// the sender included. moq-lite-03 tells their number only: they are then
	// zero.
	Hops []Hop

	// Warm and Cold are the route's costs (moq-lite-06): while it carries the
	// broadcast already, and when it must be set up.
	Warm, Cold uint64

	// Publication is what is announced, where a [TrackMux] tells of it; nil
	// where a peer does, and of what has ended.
	Publication *Publication
}

// Origin is the first hop: who publishes the broadcast. 0 is unknown, as it is
// where the announcement came over moq-lite-03. Groups of one origin go on
// whatever the route by which they come; those of another are others.
func (a Announcement) Origin() Hop {
	if len(a.Hops) == 0 {
		return 0
	}
	return a.Hops[0]
}

// An AnnouncementReader follows the announced broadcasts below a prefix. What
// a slow reader has missed is coalesced: it learns of the current state, not
// of every step. It is of a session, or of a [TrackMux]. One goroutine receives at a time; Close is for any. Of a peer
// that announces more than Limits.Announcements, the excess is left out.
//
// Where nothing is announced at prefix itself, what covers it from above is told of
// as a broadcast at prefix: a publisher of "room" is heard of below "room/cam" as
// "room/cam" that is active. It may have that or not: over the network nobody can
// tell before a subscription to it is accepted, or refused as [ErrNotFound]. When
// something is announced at prefix, that takes its place: the one is ended and the
// other active.
//
// A segment that begins with a dot hides a broadcast from whoever does not
// name it: "room/.stats/cpu" is listed below "room/.stats", but not below
// "room" or "". It can be subscribed to all the same: at its publisher by
// whoever knows the path, and through a relay where what the publisher announces
// covers it, as "room" does.
type AnnouncementReader interface {
	// Receive waits for the next change; what is there already is returned
	// even if ctx is done. io.EOF: the peer has ended the set, and so all that
	// was announced. Any other error says nothing of the broadcasts: what is
	// announced may be asked for again, while the session stands.
	Receive(ctx context.Context) (Announcement, error)

	// Close ends the interest. Blocked and later Receives return [ErrClosed].
	Close() error
}
