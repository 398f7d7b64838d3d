package send

import (
	"context"
	"errors"
	"runtime"
	"time"
)

const (
	// directAfter separates a burst from a pause: mayWrite compares it with the
	// time since something was last written.
	directAfter = time.Millisecond

	// patience is how long a writer waits for the peer to allow a stream for a
	// group that begins. After that a goroutine waits instead, and the group's
	// next frames are gathered. A peer that keeps up takes less time than this,
	// and a faster publisher is slowed to the peer's pace without a goroutine.
	patience = 10 * time.Millisecond

	// directTurn is after how many direct writes a writer yields the processor,
	// so that the transport sends what it was given. Otherwise thousands of groups
	// could pile up in the transport, where groups of higher rank cannot overtake
	// them and the processor's cache does not hold them.
	directTurn = 128
)

// A submission is what a group has to send when it is enqueued.
type submission uint8

const (
	nothing     submission = iota
	firstFrames            // its stream is not open yet
	moreFrames             // its stream is open
)

// submit is called by the writer when its group has something to send. It either
// writes that to the transport itself, as far as possible without blocking, or
// enqueues the group.
func (q *Queue) submit(g *Group, what submission) {
	q.mu.Lock()
	if !g.active || q.stopped {
		q.mu.Unlock()
		return
	}
	if now, may := q.mayWrite(what); may {
		q.writeHere(g, what, now)
		return
	}
	q.ready.push(g)
	q.dispatch()
	q.keepPace()
	q.mu.Unlock()
}

// mayWrite reports whether the writer writes to the transport itself, which saves a
// switch of goroutines. It never does while the queue is not empty or a write is under
// way. The lock is held.
//
// Otherwise it depends on the time since the last write. More frames of a group are
// written directly after a pause of directAfter; in a burst they are better gathered
// while another goroutine writes. The first frames of a group are written directly in a
// burst; after a pause they are left to another goroutine, because the end of the group
// often follows at once, and both are then sent in one write.
func (q *Queue) mayWrite(what submission) (now time.Duration, may bool) {
	if q.serving || len(q.writing) > 0 || !q.ready.empty() {
		return 0, false
	}
	now = q.clock()
	return now, (what == firstFrames) == (now-q.servedAt < directAfter)
}

// writeHere writes the pending bytes of g without blocking, in the writer's
// goroutine, and leaves the rest to another one. If the peer allows no stream it
// blocks, see waitHere. The lock is held, and released on return.
func (q *Queue) writeHere(g *Group, what submission, now time.Duration) {
	q.serving = true
	s := q.giveSlot(g)
	switch {
	case g.urgency != 0:
	case what == firstFrames:
		g.urgency = q.usual // its stream will be opened with that
	default:
		g.setUrgency(q.usual)
	}
	q.mu.Unlock()
	done, more, closed := g.tryFlush(q.chunk()), false, false
	if done {
		if more, closed = g.settle(); closed && !more {
			g.end(false)
		}
	}
	q.mu.Lock()
	q.servedAt = now
	q.servesNot()
	waits := false
	switch {
	case done:
		q.takeSlot(s)
		if g.active && !q.stopped {
			q.wrotePart(g, more, closed)
		}
	case q.stopped || !g.active:
		g.settle()
		q.takeSlot(s)
	default:
		q.occupy(s)
		if waits = s.out.late; !waits {
			q.host.Spawn(func() { q.serveWaiting(g) })
		}
	}
	q.direct++
	pause := q.direct%directTurn == 0
	if !waits {
		q.dispatch()
	}
	q.mu.Unlock()
	switch {
	case waits:
		q.waitHere(g)
	case pause:
		runtime.Gosched()
	}
}

// waitHere waits for the peer to allow a stream for g, in the writer's goroutine and
// no longer than patience. What then cannot be written without blocking is left to
// another goroutine.
func (q *Queue) waitHere(g *Group) {
	q.waits(g)
	ctx, cancel := context.WithTimeout(g.lifetime(), patience)
	err := g.take(ctx)
	late := errors.Is(ctx.Err(), context.DeadlineExceeded)
	cancel()
	if err != nil && late || err == nil && !g.tryWrite() {
		q.host.Spawn(func() { g.flush(); q.serve(q.next(g)) })
		return
	}
	if err != nil {
		g.fail(err)
	}
	if next := q.next(g); next != nil {
		q.host.Spawn(func() { q.serve(next) })
	}
}
