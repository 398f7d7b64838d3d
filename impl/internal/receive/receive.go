// Package receive reads the groups that a peer sends, and bounds how much memory those
// take that the application does not read in time.
//
// # Invariants
//
// A [Group] that was added to its [Share] is either parked (no reader waits for its
// stream), being read (a reader does), or finished (read to its end, cancelled or
// dropped), and never two of these. A finished group stays finished, and its [Holder] is
// told so once, unless the holder itself has given it up (Share.Remove).
//
// A group has a weight while it is parked, and only then: the bytes that it counts for. A
// share holds the weights of its groups. A [Budget] holds what its shares hold, and the
// control messages that have not arrived whole. It does not hold more than its limit for
// long: parked groups that are not read are then dropped. What the budgets of a server's
// sessions hold is bounded in the same way by a [ServerBudget].
//
// Only one goroutine at a time reads a group's stream: the one that has accepted the
// stream until the group is added to a share, the reader while the group is being read,
// and the one that weighs the group while it is parked.
//
// # Locks
//
// The lock of a holder guards its share and the states of its groups. Budget.mu guards
// which shares a budget has, and may be taken with a holder's lock held, not the other
// way round. ServerBudget.mu guards which sessions a server has, and no other lock is held
// with it. What a budget holds is counted without a lock. No two holders' locks are held
// at once, and none while a stream is read.
package receive

import (
	"time"

	"github.com/moqlite/moqlite/impl/internal/message"
)

// A Host is what a budget and its groups need of their session.
type Host interface {
	// Spawn runs f in a goroutine that the session waits for. It reports false,
	// and does not run f, when the session has ended.
	Spawn(f func()) bool

	// StreamError translates an error of the transport to one of package api.
	StreamError(err error) error

	// GroupFinished is called when a group was read to its end, cancelled or
	// dropped. No lock is held.
	GroupFinished()
}

// A Holder is the subscription or fetch that a group belongs to.
type Holder interface {
	// Lose is called when g was not read in time and the budget drops it. The
	// holder's lock is held.
	Lose(g *Group)

	// Finished is called when a group was read to its end, cancelled or dropped.
	// No lock is held.
	Finished()
}

// Options are the settings of a budget.
type Options struct {
	Version   *message.Version
	Began     time.Time // when the session began: the origin of its clock
	FrameSize uint64    // the largest frame that [Group.ReadFrame] returns
	Bytes     uint64    // how many bytes the parked groups may hold together

	// Server is the budget of all sessions of the server; nil for none.
	Server *ServerBudget
}
