package send

import (
	"runtime"
	"time"
)

const (
	// burstPause is the time without a write after which a burst of writes is over,
	// see claim.
	burstPause = time.Millisecond

	// directTurn is after how many direct writes a writer yields the processor,
	// so that the transport sends what it was given. Otherwise thousands of groups
	// could pile up in the transport, where groups of higher rank cannot overtake
	// them and the processor's cache does not hold them.
	directTurn = 128
)

// submit is called by the writer when its group has something to send. It enqueues the
// group, or writes to the transport in the writer's goroutine. It does not wait for the
// transport, but for streamWait at most when the peer allows no more streams.
func (q *Queue) submit(g *Group, what submission) {
	if s := q.enqueue(g, what, false); s != nil {
		q.writeHere(s)
	}
}

// submitEnd is submit for a group that its writer has closed. All that the group has
// gathered may have been written or submitted already.
func (q *Queue) submitEnd(g *Group, what submission) {
	if what == justEnd { // closing a stream does not block, so it needs no slot
		g.end()
		return
	}
	if s := q.enqueue(g, what, true); s != nil {
		q.writeHere(s)
	}
}

// enqueue returns a slot if the writer has to write itself what it submits. If not, it
// puts the group into the queue. closed tells that the writer has closed the group.
func (q *Queue) enqueue(g *Group, what submission, closed bool) *slot {
	q.mu.Lock()
	defer q.mu.Unlock()
	if !g.active || q.stopped {
		return nil
	}
	if closed && g.part {
		q.addLeaving(g)
	}
	if what == nothing {
		return nil
	}
	if s := q.claim(g, what); s != nil {
		return s
	}
	q.ready.push(g)
	q.dispatch()
	if q.serving && q.ready.groups >= maxQueued {
		q.slowDown(g.lane)
	}
	return nil
}

// claim decides who writes what a group submits. It returns a slot if that is the writer
// itself, which saves a switch of goroutines, and nil if it is the goroutine that serves
// the queue. The lock is held.
//
// The writer never writes while the queue is not empty or a write is under way.
// Otherwise it depends on the time since the last write. More frames of a group are
// written directly after a pause of burstPause; in a burst they are better gathered
// while another goroutine writes. The first frames of a group are written directly in a
// burst; after a pause they are left to another goroutine, because the end of the group
// often follows at once, and both are then sent in one write. A shared frame is written
// directly after a pause, as more frames are; the writer then waits for the transport, as
// long as nothing else is to be sent.
//
// A closed group of which everything is written does not come here: see submitEnd.
func (q *Queue) claim(g *Group, what submission) *slot {
	if q.serving || len(q.writing) > 0 || !q.ready.empty() {
		return nil
	}
	now := q.clock()
	if burst := now-q.servedAt < burstPause; burst != (what == firstFrames) {
		return nil
	}
	s := q.give(g)
	s.direct, s.since = true, now
	if what == sharedFrame {
		s.waits = true
		q.interruptible = s
		return s
	}
	q.serving = true
	q.direct++
	s.yields = q.direct%directTurn == 0
	return s
}

// writeHere carries out the write of a slot in the goroutine of the group's writer. If
// the write would block for longer than waitHere does, or other groups have been queued
// meanwhile, it leaves the rest to another goroutine.
func (q *Queue) writeHere(s *slot) {
	yields := s.yields
	if !s.waits && !s.try() {
		q.startWaiting(s)
	}
	if !s.waits || s.waitHere() {
		s = q.next(s)
	}
	q.leave(s)
	if yields {
		runtime.Gosched()
	}
}

// leave starts a goroutine that goes on with the write of a slot and then serves the
// queue. If s is nil, there is nothing to do.
func (q *Queue) leave(s *slot) {
	if s != nil {
		q.host.Spawn(func() { q.serve(s) }) // if the session has ended, so has the group
	}
}

// serve carries out the write of a slot, and then those of the groups in the queue, best
// rank first, until the queue is empty or another goroutine serves it.
func (q *Queue) serve(s *slot) {
	for s != nil {
		if !s.waits && !s.try() {
			q.startWaiting(s)
		}
		if s.waits {
			s.wait()
		}
		s = q.next(s)
	}
}

// next ends the write of a slot, and ends the group if it is closed and everything is
// written. It returns the slot of the write that this goroutine has to carry out next,
// nil for none.
func (q *Queue) next(s *slot) *slot {
	g := s.group
	more, closed := s.settle()
	next := q.pass(s, more)
	if closed && !more {
		g.end()
	}
	return next
}

// pass takes a slot back, and enqueues its group if more is pending. It returns what next
// returns. A write that has waited has left the queue to another goroutine, which may
// still serve it: then it returns nil.
func (q *Queue) pass(s *slot, more bool) *slot {
	q.mu.Lock()
	defer q.mu.Unlock()
	g, waited := s.group, s.waits
	at := s.since
	if waited || !s.direct {
		at = q.clock()
	}
	q.takeBack(s)
	if g.active && !q.stopped {
		q.wrotePart(g, more)
	}
	if waited && q.serving {
		return nil
	}
	if next := q.take(); next != nil {
		q.serving = true
		q.arm()
		return next
	}
	q.servedAt = at
	q.stopServing()
	q.arm()
	return nil
}

// dispatch starts a goroutine that serves the queue, if there is none, the queue is not
// empty, and its first group may have a slot. The lock is held.
func (q *Queue) dispatch() {
	if q.ready.empty() {
		return
	}
	q.interrupt()
	if q.serving {
		return
	}
	if s := q.take(); s != nil {
		q.serving = q.host.Spawn(func() { q.serve(s) })
	}
	q.arm()
}

// startWaiting is called by the goroutine that carries out a write, before it waits for
// the transport. It lets another goroutine serve the queue.
func (q *Queue) startWaiting(s *slot) {
	q.mu.Lock()
	defer q.mu.Unlock()
	s.waits, s.since = true, q.clock()
	q.stopServing()
	q.dispatch()
}

// stopServing notes that no goroutine serves the queue: it is empty, no group in it may
// have a slot, or the goroutine that served it has to wait for the transport. It lets
// the writers go on that slowDown holds. The lock is held.
func (q *Queue) stopServing() {
	q.serving = false
	for i, l := range q.ahead {
		l.ahead = false
		l.admission.caughtUp()
		q.ahead[i] = nil
	}
	q.ahead = q.ahead[:0]
}

// slowDown makes the writers of a lane wait until stopServing, for at most shortWait. The
// lock is held.
func (q *Queue) slowDown(l *Lane) {
	l.admission.slowDown()
	if !l.ahead {
		l.ahead = true
		q.ahead = append(q.ahead, l)
	}
}
