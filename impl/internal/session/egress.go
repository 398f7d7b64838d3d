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
)

// directAfter is how long nothing was written before more of a group is written
// by who brings it. A publisher that is faster than that has its frames
// gathered.
const directAfter = time.Millisecond

// egress decides which of the session's groups goes out next. Groups with
// something to send queue in order of rank (rank.go) for a slot to write in; a
// group gets its stream with its first slot, so that those which wait hold none
// of the peer's limit. What is being written is ranked by the transport, as
// urgency.go tells it.
//
// One goroutine at a time serves the queue, and only while there is one. When
// the transport makes it wait with a group, another one serves on.
type egress struct {
	session *Session
	plain   atomic.Bool // the transport cannot rank streams

	mu        sync.Mutex
	stopped   bool
	groups    *groupWriter  // not yet finished, a list
	count     int           // of these
	ready     ranking       // something to send
	serving   bool          // by a goroutine that does not wait
	servedAt  time.Duration // when one last ended, or began to write one frame
	writing   []*slot       // in order of rank
	held      int           // of these, those that hold a slot
	preempted int           // and those whose slot a better one took
	lend      *time.Timer   // runs lendSlots; made at first
}

// A slot is a write under way.
type slot struct {
	group *groupWriter
	state slotState
	waits bool // for the transport,
	since time.Time
}

type slotState uint8

const (
	slotHeld      slotState = iota
	slotStuck               // lent, since the write takes too long
	slotPreempted           // taken by a better group
)

func (e *egress) inFlight() int {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.count
}

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
}

// stop fails all groups: the session has ended.
func (e *egress) stop() {
	e.mu.Lock()
	e.stopped = true
	if e.lend != nil {
		e.lend.Stop()
	}
	groups := make([]*groupWriter, 0, e.count)
	for g := e.groups; g != nil; g = g.older {
		groups = append(groups, g)
	}
	e.mu.Unlock()
	for _, g := range groups {
		g.fail(e.session.err())
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
	return maxPending + readAhead // all of it, headers included
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

// submit queues a group that has something to send, or has it written here, as
// far as that needs no waiting.
func (e *egress) submit(g *groupWriter, what submission) {
	e.mu.Lock()
	if !g.active || e.stopped {
		e.mu.Unlock()
		return
	}
	now, may := e.mayWrite(what)
	if !may {
		e.ready.push(g)
		e.dispatch()
		e.mu.Unlock()
		return
	}
	if what == endAlone {
		e.mu.Unlock()
		g.endAlone()
		return
	}
	e.serving = true
	if g.urgency == 0 {
		g.setUrgency(usualUrgency)
	}
	e.mu.Unlock()
	done, more, closed := g.tryFlush(e.chunk()), false, false
	if done {
		if more, closed = g.settle(); closed && !more {
			g.end(false)
		}
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	e.serving, e.servedAt = false, now
	switch {
	case e.stopped || !g.active:
	case !done:
		e.occupy(g)
		e.session.spawn(func() { e.serveWaiting(g) })
	default:
		e.wrotePart(g, more, closed)
	}
	e.dispatch()
}

// A submission is what a group has to send.
type submission uint8

const (
	firstFrames submission = iota // and its stream is not open
	moreFrames
	endAlone
)

// mayWrite tells whether what a group has to send is written by who brings it,
// which saves a goroutine. Who brings much has it gathered meanwhile by another
// one; so has who begins a group after a while, since its end often comes with
// its first frame. The lock is held.
func (e *egress) mayWrite(what submission) (now time.Duration, may bool) {
	if e.serving || len(e.writing) > 0 || !e.ready.empty() {
		return 0, false
	}
	if what == endAlone {
		return 0, true
	}
	now = e.session.clock()
	return now, (what == firstFrames) == (now-e.servedAt < directAfter)
}

// dispatch has what is queued served, if nobody does and there is a slot. The
// lock is held.
func (e *egress) dispatch() {
	if e.serving {
		return
	}
	if g := e.take(); g != nil {
		e.serving = e.session.spawn(func() { e.serve(g) })
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
	g.slot.waits, g.slot.since = true, time.Now()
	e.serving = false
	e.dispatch()
}

// next ends the write of a group, and returns the one that this goroutine
// writes next; nil for none.
func (e *egress) next(g *groupWriter) *groupWriter {
	more, closed := g.settle()
	next, waited := e.pass(g, more, closed)
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

// pass passes the slot of a group on, and tells whether it has waited.
func (e *egress) pass(g *groupWriter, more, closed bool) (next *groupWriter, waited bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	waited = g.slot.waits
	e.wrote(g)
	if g.active && !e.stopped {
		e.wrotePart(g, more, closed)
	}
	if waited && e.serving {
		return nil, waited
	}
	e.serving = false
	if e.stopped {
		return nil, waited
	}
	if next = e.take(); next != nil {
		e.serving = true
	} else {
		e.servedAt = e.session.clock()
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
	var oldest time.Time
	for _, s := range e.writing {
		if s.state == slotHeld && s.waits && (oldest.IsZero() || s.since.Before(oldest)) {
			oldest = s.since
		}
	}
	if oldest.IsZero() {
		return
	}
	in := max(0, stuckAfter-time.Since(oldest))
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
	e.occupy(g)
	return g
}

// occupy gives a group a slot. The lock is held.
func (e *egress) occupy(g *groupWriter) {
	g.slot = slot{group: g}
	e.writing = append(e.writing, &g.slot)
	e.held++
	g.flow.lane.writing++
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
func (e *egress) wrote(g *groupWriter) {
	i := slices.IndexFunc(e.writing, func(s *slot) bool { return s.group == g })
	l := &g.flow.lane
	switch e.writing[i].state {
	case slotHeld:
		e.held--
		l.writing--
	case slotStuck:
		l.stuck--
	case slotPreempted:
		e.preempted--
	}
	e.writing = slices.Delete(e.writing, i, i+1)
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
		if s.state == slotHeld && s.waits && time.Since(s.since) >= stuckAfter {
			e.release(s, slotStuck)
		}
	}
	e.dispatch()
}
