package receive

import (
	"io"
	"sync/atomic"
	"time"

	"github.com/moqlite/moqlite/api"
	"github.com/moqlite/moqlite/transport"
)

// A state tells where a group is between its arrival and its end.
type state uint8

const (
	fresh    state = iota // no share has the group yet
	parked                // no reader waits for its stream
	read                  // a reader does
	finished              // it was read to its end, cancelled or dropped
)

// A Group is a group that arrives. It implements [api.GroupReader].
type Group struct {
	budget *Budget
	share  *Share // of its holder; nil until the group is added to it
	seq    api.GroupSequence
	first  uint64 // index of the first frame
	in     Stream
	ended  func() // called when the group is finished, if not nil

	// Used by the reader alone.
	timestamp uint64 // of the last frame
	left      uint64 // bytes of the current payload that are not read
	err       error  // what all later calls return
	waiting   bool   // startWaiting was called last, not stopWaiting

	aborted atomic.Pointer[error] // why this end has cancelled or dropped the group; nil unless it has
	handed  atomic.Bool           // the application has it

	// Guarded by the holder's lock.
	newer    *Group // neighbours in the list of the share
	older    *Group
	weight   uint64 // bytes of the budget that it counts for; 0 unless parked
	state    state
	wide     bool          // its stream can hold more than weight
	weighing bool          // its stream is read to weigh it
	parkedAt time.Duration // when it was parked, by the session's clock
}

var _ api.GroupReader = (*Group)(nil)

// NewGroup returns a group that is read from raw, to be added to a share.
func (b *Budget) NewGroup(raw transport.ReceiveStream) *Group {
	return &Group{budget: b, in: Stream{raw: raw}}
}

// Stream returns the stream that the group is read from. It may only be read before the
// group is added to a share.
func (g *Group) Stream() *Stream { return &g.in }

// Await blocks until the stream's first bytes or its end have arrived. It may only be
// called before the group is added to a share.
func (g *Group) Await() error { return g.in.await() }

// Identify sets the number of the group and of its first frame, before it is added.
func (g *Group) Identify(seq api.GroupSequence, first uint64) { g.seq, g.first = seq, first }

// OnEnd sets a function that is called when the group is finished, before it is added.
func (g *Group) OnEnd(f func()) { g.ended = f }

// Handed notes that the application gets the group: groups of the same holder that the
// application has not got are dropped before it.
func (g *Group) Handed() { g.handed.Store(true) }

// Sequence implements [api.GroupReader].
func (g *Group) Sequence() api.GroupSequence { return g.seq }

// FirstFrame implements [api.GroupReader].
func (g *Group) FirstFrame() uint64 { return g.first }

// Cancel implements [api.GroupReader].
func (g *Group) Cancel(code api.StreamErrorCode) { g.abort(api.ErrClosed, code) }

// abort cancels the group. Its reader's calls return err, and the peer gets code.
func (g *Group) abort(err error, code api.StreamErrorCode) {
	if g.aborted.CompareAndSwap(nil, &err) {
		g.in.Cancel(code)
		g.markFinished()
	}
}

// markFinished removes the group from its share and tells its holder, once.
func (g *Group) markFinished() {
	s := g.share
	s.mu.Lock()
	first := s.removeGroup(g)
	s.mu.Unlock()
	if first {
		g.tellFinished()
	}
}

// tellFinished is called once, when the group was removed from its share. No lock is held.
func (g *Group) tellFinished() {
	g.share.holder.Finished()
	if g.ended != nil {
		g.ended()
	}
	g.budget.host.GroupFinished()
}

// fail ends the group with err, which its reader's later calls return too, and returns
// that error in the form of package api.
func (g *Group) fail(err error) error {
	if reason := g.aborted.Load(); reason != nil {
		err = *reason
	} else if err != io.EOF {
		err = g.budget.host.StreamError(err)
		g.in.Cancel(api.ErrorCode(err))
	}
	g.err = err
	g.in.releaseBuffer()
	g.markFinished()
	return err
}

// startWaiting is called by the reader before it reads what is not buffered: the group is
// then being read. It waits while the group is weighed. A group that was buffered whole is
// never read in this sense.
func (g *Group) startWaiting() {
	if g.waiting || g.in.err != nil {
		return
	}
	g.waiting = true
	g.share.unpark(g)
}

// stopWaiting parks the group again after startWaiting. The methods of the group call it
// before they return to the application.
func (g *Group) stopWaiting() {
	if g.waiting {
		g.waiting = false
		g.share.park(g)
	}
}
