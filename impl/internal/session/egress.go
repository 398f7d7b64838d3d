package session

import (
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

const (
	// slots is how many slots may be held at a time. It is small, so that a group
	// of high rank is sent soon, and above one, so that a group whose own stream
	// lacks credit does not block the others.
	slots = 6

	// maxPreempted is how many preempted writes may be under way besides. A group
	// may preempt beyond this limit while no group of its lane holds a slot.
	maxPreempted = slots

	// stuckAfter is how long a write may wait for the transport before its slot
	// goes to another group. By then the peer withholds credit, for the stream or
	// for opening it; or the link is slow, and nothing is lost by one more write.
	stuckAfter = 100 * time.Millisecond

	// plainChunk is the largest write where the transport cannot prioritize
	// streams. A group of higher rank waits for no more than that.
	plainChunk = 16 << 10

	// rankedChunk is the largest write elsewhere: enough for all that a group may
	// have pending, or for a shared frame, headers included.
	rankedChunk = 68 << 10
)

// farAhead is the length of the queue from which a writer that enqueues another
// group waits until the queue was served, unless the queue waits for the transport.
const farAhead = 64

// egress decides in which order the session's groups are sent. Groups that have
// pending bytes queue in order of rank (rank.go) for a slot, which allows one write.
// A group's stream is opened in its first slot, so queued groups use up none of the
// streams that the peer allows. Among the writes under way the transport follows the
// urgencies that it is given (urgency.go).
//
// At most one goroutine serves the queue, and only while the queue is not empty.
// When a write makes it wait for the transport, another goroutine takes over. If
// the queue is empty and no write is under way, the writer may write to the
// transport itself (direct.go, share.go).
type egress struct {
	session *Session
	first   int8        // the first urgency that groups may have (urgency.go)
	usual   int8        // the urgency of groups while none has to go before others
	plain   atomic.Bool // the transport cannot prioritize streams

	mu        sync.Mutex
	stopped   bool          // the session has ended
	groups    *groupWriter  // all groups that are not over, a list
	count     int           // its length
	ready     ranking       // the queue: groups that have pending bytes
	serving   bool          // a goroutine serves the queue or runs writeHere, and does not block
	caughtUp  *sync.Cond    // signals that serving was cleared; lazily made
	servedAt  time.Duration // when serving last ended, or the last direct write began
	direct    uint          // number of writes by writers themselves (direct.go)
	writing   []*slot       // the writes under way, in order of rank
	reserved  *slot         // the one of these in which a writer writes a shared frame (share.go)
	held      int           // how many of these hold their slot
	preempted int           // how many of these were preempted
	idle      []*slot       // for reuse
	lend      *time.Timer   // calls lendSlots; lazily made
}

// A slot is one write under way.
type slot struct {
	group *groupWriter
	state slotState
	waits bool          // the write waits for the transport
	since time.Duration // when that began, by the session's clock
	out   delivery

	hurried bool // a write deadline was set to interrupt the writer (share.go)
}

// A slotState tells whether a write counts against the slots.
type slotState uint8

const (
	slotHeld      slotState = iota // it counts
	slotStuck                      // it does not: it has waited for stuckAfter
	slotPreempted                  // it does not: a group of higher rank took the slot
)

// add registers a group. It reports false when the session has ended.
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

// remove removes a group that is over, from the queue too.
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

// stop fails all groups, because the session has ended.
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

// rerank changes the subscriber's priority of a lane. Groups in the queue and
// writes under way follow.
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

// chunk is the largest write to the transport, in bytes.
func (e *egress) chunk() int {
	if e.plain.Load() {
		return plainChunk
	}
	return rankedChunk
}

// closed is called when the writer has closed a group that has its stream.
func (e *egress) closed(g *groupWriter) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if g.active && g.part {
		e.leaves(g)
	}
}

// leaves adds a group that is closed and partly written to the leaving groups of
// its lane. Little is left of it: its pending bytes and the write under way. The
// first leaving group of a lane ranks as high as the newest one. Otherwise, on a
// link that is too slow, each group would be overtaken just before its end, and
// readers would get many beginnings and no ends. The lock is held.
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

// left removes a group that is over from the leaving groups of its lane, and
// promotes the next of them if it was the first. The lock is held.
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

// promoted updates the queue and the urgencies after a group's rank has risen. The
// lock is held.
func (e *egress) promoted(g *groupWriter) {
	e.ready.fix(g)
	if len(e.writing) > 1 {
		e.tellUrgencies()
	}
}

// keepPace blocks a writer that has enqueued a group while farAhead groups or more
// are queued, until the queue was served or its goroutine waits for the transport.
// The lock is held, and released during the wait.
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

// servesNot clears serving: the queue is empty, no group in it may have a slot, or
// the goroutine that served has to wait for the transport. The lock is held.
func (e *egress) servesNot() {
	e.serving = false
	if e.caughtUp != nil {
		e.caughtUp.Broadcast()
	}
}

// giveSlot gives a group a slot, without counting it (see occupy). The lock is held.
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

// takeSlot takes a slot back after its write. Its group may have got another one
// since. The lock is held.
func (e *egress) takeSlot(s *slot) {
	if s.group.slot == s {
		s.group.slot = nil
	}
	*s = slot{}
	if len(e.idle) < slots {
		e.idle = append(e.idle, s)
	}
}

// dispatch starts a goroutine that serves the queue, if there is none, the queue is
// not empty, and its first group may have a slot. The lock is held.
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

// serve writes the pending bytes of g, then those of the groups in the queue, best
// rank first, until the queue is empty or another goroutine serves it.
func (e *egress) serve(g *groupWriter) {
	for g != nil {
		if !g.tryFlush(e.chunk()) {
			e.waits(g)
			g.flush()
		}
		g = e.next(g)
	}
}

// serveWaiting is serve for a group whose tryFlush returned false already.
func (e *egress) serveWaiting(g *groupWriter) {
	e.waits(g)
	g.flush()
	e.serve(e.next(g))
}

// waits is called before this goroutine waits for the transport with g. It lets
// another goroutine serve the queue.
func (e *egress) waits(g *groupWriter) {
	e.mu.Lock()
	defer e.mu.Unlock()
	g.slot.waits, g.slot.since = true, e.session.clock()
	e.servesNot()
	e.dispatch()
}

// next ends the write of g, and the group if it is closed and nothing is pending.
// It returns the group that this goroutine has to write next, nil for none.
func (e *egress) next(g *groupWriter) *groupWriter {
	s := g.slot // once settled, the group may be queued again and get another slot
	more, closed := g.settle()
	next, waited := e.pass(s, more, closed)
	if closed && !more {
		g.end(waited)
	}
	return next
}

// wrotePart notes that a part of a group is written. If more is pending it queues
// the group again. The lock is held.
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

// pass frees a slot and returns the group that this goroutine has to write next,
// nil for none. more and closed are what settle returned. waited tells whether the
// write had to wait for the transport.
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

// arm sets the timer for lendSlots to when the first of the waiting writes will
// have waited for stuckAfter, if groups are queued. The lock is held.
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

// take removes the group of the best rank from the queue and gives it a slot. It
// returns nil when there is none or it may not have a slot. The lock is held.
func (e *egress) take() *groupWriter {
	g := e.ready.peek()
	if g == nil || !e.vacate(g) {
		return nil
	}
	g = e.ready.pop() // vacate may have changed which group is first
	e.occupy(e.giveSlot(g))
	return g
}

// occupy counts a slot as held by its group. The lock is held.
func (e *egress) occupy(s *slot) {
	e.writing = append(e.writing, s)
	e.held++
	l := &s.group.flow.lane
	l.newest = max(l.newest, s.group.seq)
	l.writing++
	e.tellUrgencies()
}

// vacate reports whether g may have a slot. If none is free it preempts the write
// of the lowest rank, provided that g ranks higher. The lock is held.
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

// release frees the slot of a write that goes on without it. The lock is held.
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

// wrote removes a write that has ended. The lock is held.
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
		e.tellUrgencies() // some may have had restUrgency
	}
}

// lendSlots frees the slots of the writes that have waited for stuckAfter, and
// serves the queue with them.
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
