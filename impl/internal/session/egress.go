package session

import (
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

const (
	// slots is how many groups are written to the transport at a time. Few, so
	// that what comes up the ranking goes out next; more than one, so that a
	// group which waits for its own credit does not hold up the rest.
	slots = 6

	// maxPreempted is how many more may be in a write that they began before
	// better ones came, not counting the first one of each track.
	maxPreempted = slots

	// stuckAfter is how long a write may take before its slot goes to another
	// group: it then waits for credit, of its stream or for one, that the
	// peer withholds; or the link is slow, and nothing is lost.
	stuckAfter = 100 * time.Millisecond

	// plainChunk is how much is written at a time where the transport cannot
	// rank streams: a group that comes up the ranking then waits for no more
	// than that.
	plainChunk = 16 << 10

	// rankedChunk is how much is written at a time elsewhere: all that a group
	// has gathered, or a shared frame, headers included.
	rankedChunk = 68 << 10
)

// farAhead is how many groups are queued before who brings more waits for them to
// be written, unless they wait for the transport.
const farAhead = 64

// egress decides which of the session's groups goes out next. Groups with
// something to send queue in order of rank (rank.go) for a slot to write in; a
// group gets its stream with its first slot, so that those which wait hold none
// of the peer's limit. What is being written is ranked by the transport, as
// urgency.go tells it.
//
// One goroutine at a time serves the queue, and only while there is one. When
// the transport makes it wait with a group, another one serves on. What comes
// when there is no queue is written by who brings it (direct.go, share.go).
type egress struct {
	session *Session
	first   int8        // the first urgency that groups may have (urgency.go)
	usual   int8        // their urgency while none goes before others
	plain   atomic.Bool // the transport cannot rank streams

	mu        sync.Mutex
	stopped   bool
	groups    *groupWriter  // not yet finished, a list
	count     int           // of these
	ready     ranking       // something to send
	serving   bool          // by a goroutine that does not wait
	caughtUp  *sync.Cond    // serving has ended; made for who waits for that
	servedAt  time.Duration // when one last ended, or began to write one frame
	direct    uint          // writes by who brings what is written (direct.go)
	writing   []*slot       // in order of rank
	reserved  *slot         // of these, that of who waits with what it brings (share.go)
	held      int           // of these, those that hold a slot
	preempted int           // and those whose slot a better one took
	idle      []*slot       // to be used again
	lend      *time.Timer   // runs lendSlots; made at first
}

// A slot is a write under way.
type slot struct {
	group *groupWriter
	state slotState
	waits bool          // for the transport,
	since time.Duration // by the session's clock
	out   delivery

	hurried bool // who brings what is written is to wait no longer
}

type slotState uint8

const (
	slotHeld      slotState = iota
	slotStuck               // lent, since the write takes too long
	slotPreempted           // taken by a better group
)

// add takes a group on the books. It reports false when the session has ended.
func (e *egress) add(g *groupWriter) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.stopped {
		return false
	}
	g.active, g.older = true, e.groups
	if e.groups != nil {
		e.groups.newer = g
	}
	e.groups = g
	e.count++
	return true
}

// remove takes a group off the books.
func (e *egress) remove(g *groupWriter) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if !g.active {
		return
	}
	g.active = false
	if g.newer != nil {
		g.newer.older = g.older
	} else {
		e.groups = g.older
	}
	if g.older != nil {
		g.older.newer = g.newer
	}
	g.newer, g.older = nil, nil
	e.count--
	e.ready.remove(g)
	e.left(g)
	if e.count == 0 {
		e.session.groupFinished()
	}
}

// stop fails all groups: the session has ended.
func (e *egress) stop() {
	e.mu.Lock()
	e.stopped = true
	if e.lend != nil {
		e.lend.Stop()
	}
	e.servesNot()
	groups := make([]*groupWriter, 0, e.count)
	for g := e.groups; g != nil; g = g.older {
		groups = append(groups, g)
	}
	e.mu.Unlock()
	for _, g := range groups {
		g.fail(e.session.life.err())
	}
}

// rerank gives a track another priority, which what is queued and what is
// being written follow.
func (e *egress) rerank(l *lane, subscriber uint8) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if l.subscriber == subscriber {
		return
	}
	l.subscriber = subscriber
	e.ready.reconsider(l)
	e.tellUrgencies()
	e.dispatch()
}

// chunk is how much is written at a time.
func (e *egress) chunk() int {
	if e.plain.Load() {
		return plainChunk
	}
	return rankedChunk
}

// closed notes that a group is closed.
func (e *egress) closed(g *groupWriter) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if g.active && g.part {
		e.leaves(g)
	}
}

// leaves notes that a group is closed and in part written: little is left of it,
// what it has gathered and what is being written. The first such group of a
// track is not outranked by newer ones, which would otherwise cut each other's
// last bit off on a link that is too slow, and leave readers with groups that
// have begun and do not end. The lock is held.
func (e *egress) leaves(g *groupWriter) {
	l := &g.flow.lane
	if slices.Contains(l.leaving, g) {
		return
	}
	l.leaving = append(l.leaving, g)
	if l.leaving[0] == g {
		e.promoted(g)
	}
}

// left notes that a group is over: the next one that leaves is not outranked.
// The lock is held.
func (e *egress) left(g *groupWriter) {
	l := &g.flow.lane
	i := slices.Index(l.leaving, g)
	if i < 0 {
		return
	}
	l.leaving = slices.Delete(l.leaving, i, i+1)
	if i == 0 && len(l.leaving) > 0 {
		e.promoted(l.leaving[0])
	}
}

// promoted has a group rank as high as it is now. The lock is held.
func (e *egress) promoted(g *groupWriter) {
	e.ready.fix(g)
	if len(e.writing) > 1 {
		e.tellUrgencies()
	}
}

// keepPace has who brings a group wait for those that are queued to be written, if
// they are many and only take their time. The lock is held, but not meanwhile.
func (e *egress) keepPace() {
	if !e.serving || e.ready.groups < farAhead {
		return
	}
	if e.caughtUp == nil {
		e.caughtUp = sync.NewCond(&e.mu)
	}
	for e.serving && !e.stopped {
		e.caughtUp.Wait()
	}
}

// servesNot notes that no goroutine serves the queue: it is empty, or what is in
// it has to wait for the transport. The lock is held.
func (e *egress) servesNot() {
	e.serving = false
	if e.caughtUp != nil {
		e.caughtUp.Broadcast()
	}
}

// giveSlot gives a group what a write needs. The lock is held.
func (e *egress) giveSlot(g *groupWriter) *slot {
	var s *slot
	if n := len(e.idle); n > 0 {
		s, e.idle = e.idle[n-1], e.idle[:n-1]
	} else {
		s = new(slot)
	}
	s.group, g.slot = g, s
	return s
}

// takeSlot takes it back, when the write is over: the group may have the next one
// already. The lock is held.
func (e *egress) takeSlot(s *slot) {
	if s.group.slot == s {
		s.group.slot = nil
	}
	*s = slot{}
	if len(e.idle) < slots {
		e.idle = append(e.idle, s)
	}
}

// dispatch has what is queued served, if nobody does and there is a slot. The
// lock is held.
func (e *egress) dispatch() {
	if e.ready.empty() {
		return
	}
	e.hurry()
	if e.serving {
		return
	}
	if g := e.take(); g != nil {
		e.serving = e.session.life.spawn(func() { e.serve(g) })
	}
	e.arm()
}

// serve writes what a group has to send, and goes on with the best that is
// queued while there is one, or until another goroutine does.
func (e *egress) serve(g *groupWriter) {
	for g != nil {
		if !g.tryFlush(e.chunk()) {
			e.waits(g)
			g.flush()
		}
		g = e.next(g)
	}
}

// serveWaiting is serve for a group that has to wait.
func (e *egress) serveWaiting(g *groupWriter) {
	e.waits(g)
	g.flush()
	e.serve(e.next(g))
}

// waits has another goroutine serve: this one will wait for the transport.
func (e *egress) waits(g *groupWriter) {
	e.mu.Lock()
	defer e.mu.Unlock()
	g.slot.waits, g.slot.since = true, e.session.clock()
	e.servesNot()
	e.dispatch()
}

// next ends the write of a group, and returns the one that this goroutine
// writes next; nil for none.
func (e *egress) next(g *groupWriter) *groupWriter {
	s := g.slot // which is no more the group's when it is settled
	more, closed := g.settle()
	next, waited := e.pass(s, more, closed)
	if closed && !more {
		g.end(waited)
	}
	return next
}

// wrotePart takes in how a write of a group has left it, if it is not over. The
// lock is held.
func (e *egress) wrotePart(g *groupWriter, more, closed bool) {
	g.part = true
	if !more {
		return
	}
	e.ready.push(g)
	if closed {
		e.leaves(g)
	}
}

// pass passes a slot on, and tells whether its group has waited.
func (e *egress) pass(s *slot, more, closed bool) (next *groupWriter, waited bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	g := s.group
	waited = s.waits
	e.wrote(s)
	if g.active && !e.stopped {
		e.wrotePart(g, more, closed)
	}
	if waited && e.serving {
		return nil, waited
	}
	if !e.stopped {
		next = e.take()
	}
	if next != nil {
		e.serving = true
	} else {
		e.servedAt = e.session.clock()
		e.servesNot()
	}
	e.arm()
	return next, waited
}

// arm has the slot of the write that has waited longest lent in time, while
// others wait for one. The lock is held.
func (e *egress) arm() {
	if e.ready.empty() || e.held == 0 {
		return
	}
	var oldest *slot
	for _, s := range e.writing {
		if s.state == slotHeld && s.waits && (oldest == nil || s.since < oldest.since) {
			oldest = s
		}
	}
	if oldest == nil {
		return
	}
	in := max(0, stuckAfter-(e.session.clock()-oldest.since))
	if e.lend == nil {
		e.lend = time.AfterFunc(in, e.lendSlots)
	} else {
		e.lend.Reset(in)
	}
}

// take gives the best group a slot; nil when none may have one. The lock is
// held.
func (e *egress) take() *groupWriter {
	g := e.ready.peek()
	if g == nil || !e.vacate(g) {
		return nil
	}
	g = e.ready.pop() // which making room may have changed
	e.occupy(e.giveSlot(g))
	return g
}

// occupy counts a slot. The lock is held.
func (e *egress) occupy(s *slot) {
	e.writing = append(e.writing, s)
	e.held++
	l := &s.group.flow.lane
	l.newest = max(l.newest, s.group.seq)
	l.writing++
	e.tellUrgencies()
}

// vacate tells whether there is a slot for g, which may be that of the last
// group in rank. The lock is held.
func (e *egress) vacate(g *groupWriter) bool {
	most := slots
	if e.plain.Load() {
		most = 1
	}
	if e.held < most {
		return true
	}
	if e.plain.Load() || e.preempted >= maxPreempted && g.flow.lane.writing > 0 {
		return false
	}
	var last *slot
	for _, s := range e.writing {
		if s.state == slotHeld && (last == nil || compareRank(s.group, last.group) > 0) {
			last = s
		}
	}
	if compareRank(g, last.group) >= 0 {
		return false
	}
	e.release(last, slotPreempted)
	return true
}

// release has a write go on without a slot. The lock is held.
func (e *egress) release(s *slot, why slotState) {
	s.state = why
	e.held--
	l := &s.group.flow.lane
	l.writing--
	if why == slotPreempted {
		e.preempted++
	} else {
		l.stuck++
	}
	e.ready.reconsider(l)
}

// wrote ends a write. The lock is held.
func (e *egress) wrote(s *slot) {
	e.waitsNot(s)
	i := slices.Index(e.writing, s)
	l := &s.group.flow.lane
	switch s.state {
	case slotHeld:
		e.held--
		l.writing--
	case slotStuck:
		l.stuck--
	case slotPreempted:
		e.preempted--
	}
	e.writing = slices.Delete(e.writing, i, i+1)
	e.takeSlot(s)
	e.ready.reconsider(l)
	if len(e.writing) >= lastUrgency {
		e.tellUrgencies() // some may have been among the rest
	}
}

// lendSlots stops counting the writes that take too long.
func (e *egress) lendSlots() {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.stopped {
		return
	}
	for _, s := range e.writing {
		if s.state == slotHeld && s.waits && e.session.clock()-s.since >= stuckAfter {
			e.release(s, slotStuck)
		}
	}
	e.dispatch()
}
