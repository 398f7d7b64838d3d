package session

import (
	"slices"
	"sync"
	"time"
)

const (
	// slots is how many groups are written to the transport at a time. Few, so
	// that what comes up the ranking goes out next; more than one, so that a
	// group which waits for its own credit does not hold up the rest.
	slots = 6

	// maxPreempted is how many more may be in a write that they began before
	// better ones came.
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

// egress decides which of the session's groups goes out next. Groups with
// something to send queue in order of rank (rank.go) for a slot to write in; a
// group gets its stream with its first slot, so that those which wait hold none
// of the peer's limit. What is being written is ranked by the transport, as
// urgency.go tells it. There is a goroutine for each write under way.
type egress struct {
	session *Session

	mu        sync.Mutex
	stopped   bool
	plain     bool                      // the transport cannot rank streams
	active    map[*groupWriter]struct{} // not yet finished
	ready     ranking                   // something to send
	writing   []*slot                   // in order of rank
	held      int                       // of these, those that hold a slot
	preempted int                       // and those whose slot a better one took
	lend      *time.Timer
}

// A slot is a write under way.
type slot struct {
	group *groupWriter
	since time.Time
	state slotState
}

type slotState uint8

const (
	slotHeld      slotState = iota
	slotStuck               // lent, since the write takes too long
	slotPreempted           // taken by a better group
)

func newEgress(s *Session) *egress {
	e := &egress{session: s, active: make(map[*groupWriter]struct{})}
	e.lend = time.AfterFunc(stuckAfter, e.lendSlots)
	e.lend.Stop()
	return e
}

func (e *egress) inFlight() int {
	e.mu.Lock()
	defer e.mu.Unlock()
	return len(e.active)
}

// add takes a group on the books. It reports false when the session has ended.
func (e *egress) add(g *groupWriter) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.stopped {
		return false
	}
	e.active[g] = struct{}{}
	return true
}

// remove takes a group off the books.
func (e *egress) remove(g *groupWriter) {
	e.mu.Lock()
	defer e.mu.Unlock()
	delete(e.active, g)
	e.ready.remove(g)
	if l := &g.flow.lane; l.leaving == g {
		l.leaving = nil
	}
}

// stop fails all groups: the session has ended.
func (e *egress) stop() {
	e.mu.Lock()
	e.stopped = true
	e.lend.Stop()
	groups := make([]*groupWriter, 0, len(e.active))
	for g := range e.active {
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
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.plain {
		return plainChunk
	}
	return maxPending + readAhead // all of it, headers included
}

// closed notes that little is left to write of a group: what it has gathered,
// and what is being written. One such group a track is not outranked by newer
// ones, which would otherwise cut each other's last bit off on a link that is
// too slow.
func (e *egress) closed(g *groupWriter) {
	e.mu.Lock()
	defer e.mu.Unlock()
	l := &g.flow.lane
	if _, active := e.active[g]; !active || l.leaving != nil || !g.hadSlot {
		return
	}
	l.leaving = g
	e.ready.fix(g)
	if len(e.writing) > 1 {
		e.tellUrgencies()
	}
}

// isPlain notes that the transport cannot rank streams.
func (e *egress) isPlain() {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.plain = true
}

// submit queues a group that has something to send.
func (e *egress) submit(g *groupWriter) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if _, ok := e.active[g]; !ok || e.stopped {
		return
	}
	e.ready.push(g)
	e.dispatch()
}

// dispatch starts writes while there are slots. The lock is held.
func (e *egress) dispatch() {
	for {
		g := e.take()
		if g == nil || !e.session.spawn(func() { e.write(g) }) {
			break
		}
	}
	e.arm()
}

// arm has the slot of the oldest write lent in time, while others wait for
// one. The lock is held.
func (e *egress) arm() {
	if e.ready.empty() || e.held == 0 {
		return
	}
	oldest := time.Now()
	for _, s := range e.writing {
		if s.state == slotHeld && s.since.Before(oldest) {
			oldest = s.since
		}
	}
	e.lend.Reset(max(0, stuckAfter-time.Since(oldest)))
}

// take gives the best group a slot; nil when none may have one. The lock is
// held.
func (e *egress) take() *groupWriter {
	g := e.ready.peek()
	if g == nil || !e.vacate(g) {
		return nil
	}
	g = e.ready.pop() // which making room may have changed
	g.slot = slot{group: g, since: time.Now()}
	e.writing = append(e.writing, &g.slot)
	e.held++
	g.hadSlot = true
	g.flow.lane.writing++
	e.tellUrgencies()
	return g
}

// vacate tells whether there is a slot for g, which may be that of the last
// group in rank. The lock is held.
func (e *egress) vacate(g *groupWriter) bool {
	most := slots
	if e.plain {
		most = 1
	}
	if e.held < most {
		return true
	}
	if e.plain || e.preempted >= maxPreempted {
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

// write writes what a group has to send, and goes on with the next best while
// there is one.
func (e *egress) write(g *groupWriter) {
	for g != nil {
		more := g.flush(e.chunk())
		e.mu.Lock()
		e.wrote(g)
		if _, active := e.active[g]; more && active && !e.stopped {
			e.ready.push(g)
		}
		g = nil
		if !e.stopped {
			g = e.take()
		}
		e.arm()
		e.mu.Unlock()
	}
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
		if s.state == slotHeld && time.Since(s.since) >= stuckAfter {
			e.release(s, slotStuck)
		}
	}
	e.dispatch()
}
