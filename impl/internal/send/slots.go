package send

import (
	"slices"
	"time"
)

const (
	// slots is how many slots may be held at a time. It is small, so that little is
	// under way before a group of high rank, and above one, so that a group whose own
	// stream lacks credit does not block the others.
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

// A slot is one write under way, from give to takeBack. One goroutine at a time carries it
// out: the writer, or one that serves the queue. A write that loses its slot goes on: only
// its state changes, and it no longer counts among the slots that are held.
type slot struct {
	delivery // used by that goroutine alone

	// Set by that goroutine, with Queue.mu held once the slot is in Queue.writing.
	group  *Group
	direct bool          // the writer carries out the write, or has begun it
	yields bool          // the writer yields the processor afterwards
	waits  bool          // the write waits for the transport, or has waited
	since  time.Duration // when that began; of a direct write, when it began itself

	// Guarded by Queue.mu.
	state       slotState
	interrupted bool // interrupt has set the stream's write deadline
}

// A slotState tells whether a write counts against the slots.
type slotState uint8

const (
	slotHeld      slotState = iota // it counts
	slotStuck                      // it does not: it has waited for stuckAfter
	slotPreempted                  // it does not: a group of higher rank took the slot
)

// chunk is the largest write to the transport, in bytes.
func (q *Queue) chunk() int {
	if q.plain.Load() {
		return plainChunk
	}
	return rankedChunk
}

// take takes the group of the best rank out of the queue and gives it a slot. It returns
// nil if no group is queued whose lane is eligible, or if no slot is free for it. The lock
// is held.
func (q *Queue) take() *slot {
	g := q.ready.peek()
	if q.stopped || g == nil || !q.vacate(g) {
		return nil
	}
	return q.give(q.ready.pop()) // vacate may have changed which group is first
}

// give gives a slot to a group that is not in the queue. The lock is held.
func (q *Queue) give(g *Group) *slot {
	var s *slot
	if n := len(q.idle); n > 0 {
		s, q.idle = q.idle[n-1], q.idle[:n-1]
	} else {
		s = new(slot)
	}
	s.group = g
	if len(q.writing) == 0 && g.urgency == 0 && !g.stream.isOpen() {
		g.urgency = q.usual // its stream will be opened with that; nobody else looks yet
	}
	q.writing = append(q.writing, s)
	q.held++
	l := g.lane
	l.newest = max(l.newest, g.seq)
	l.writing++
	q.updateUrgencies()
	return s
}

// vacate reports whether g may have a slot. If none is free, it takes that of the write of
// the lowest rank, provided that g ranks higher. The lock is held.
func (q *Queue) vacate(g *Group) bool {
	most := slots
	if q.plain.Load() {
		most = 1
	}
	if q.held < most {
		return true
	}
	if q.plain.Load() || q.preempted >= maxPreempted && g.lane.writing > 0 {
		return false
	}
	var last *slot
	for _, s := range q.writing {
		if s.state == slotHeld && (last == nil || compareRank(s.group, last.group) > 0) {
			last = s
		}
	}
	if compareRank(g, last.group) >= 0 {
		return false
	}
	q.release(last, slotPreempted)
	return true
}

// release frees the slot of a write, which goes on without it. The lock is held.
func (q *Queue) release(s *slot, why slotState) {
	s.state = why
	q.held--
	l := s.group.lane
	l.writing--
	if why == slotPreempted {
		q.preempted++
	} else {
		l.stuck++
	}
	q.ready.reconsider(l)
}

// takeBack takes back the slot of a write that is over. The lock is held.
func (q *Queue) takeBack(s *slot) {
	q.endInterrupt(s)
	i := slices.Index(q.writing, s)
	l := s.group.lane
	switch s.state {
	case slotHeld:
		q.held--
		l.writing--
	case slotStuck:
		l.stuck--
	case slotPreempted:
		q.preempted--
	}
	q.writing = slices.Delete(q.writing, i, i+1)
	*s = slot{}
	if len(q.idle) < slots {
		q.idle = append(q.idle, s)
	}
	q.ready.reconsider(l)
	if len(q.writing) >= lastUrgency {
		q.updateUrgencies() // some may have had restUrgency
	}
}

// arm sets the timer for lendSlots to when the first of the waiting writes will have
// waited for stuckAfter, if groups are queued. The lock is held.
func (q *Queue) arm() {
	if q.ready.empty() || q.held == 0 {
		return
	}
	var oldest *slot
	for _, s := range q.writing {
		if s.state == slotHeld && s.waits && (oldest == nil || s.since < oldest.since) {
			oldest = s
		}
	}
	if oldest == nil {
		return
	}
	in := max(0, stuckAfter-(q.clock()-oldest.since))
	if q.lend == nil {
		q.lend = time.AfterFunc(in, q.lendSlots)
	} else {
		q.lend.Reset(in)
	}
}

// lendSlots is called by the timer. It frees the slots of the writes that have waited for
// stuckAfter, and dispatches the queue.
func (q *Queue) lendSlots() {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.stopped {
		return
	}
	for _, s := range q.writing {
		if s.state == slotHeld && s.waits && q.clock()-s.since >= stuckAfter {
			q.release(s, slotStuck)
		}
	}
	q.dispatch()
}

// interrupt interrupts the writer that waits for the transport to take a shared frame,
// if there is one: other groups have something to send. The lock is held.
func (q *Queue) interrupt() {
	if s := q.interruptible; s != nil && !s.interrupted {
		s.interrupted = true
		_ = s.group.stream.SetWriteDeadline(time.Unix(1, 0))
	}
}

// resume is called when the write of a shared frame has timed out. It clears the
// deadline, and reports whether interrupt had set it.
func (q *Queue) resume(s *slot) (interrupted bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	interrupted = s.interrupted
	q.endInterrupt(s)
	return interrupted
}

// endInterrupt ends the time in which a write can be interrupted, and clears the
// deadline if it was. The lock is held.
func (q *Queue) endInterrupt(s *slot) {
	if q.interruptible == s {
		q.interruptible = nil
	}
	if s.interrupted {
		s.interrupted = false
		_ = s.group.stream.SetWriteDeadline(time.Time{})
	}
}
