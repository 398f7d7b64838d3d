package session

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
func (e *egress) submit(g *groupWriter, what submission) {
	e.mu.Lock()
	if !g.active || e.stopped {
		e.mu.Unlock()
		return
	}
	if now, may := e.mayWrite(what); may {
		e.writeHere(g, what, now)
		return
	}
	e.ready.push(g)
	e.dispatch()
	e.keepPace()
	e.mu.Unlock()
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
func (e *egress) mayWrite(what submission) (now time.Duration, may bool) {
	if e.serving || len(e.writing) > 0 || !e.ready.empty() {
		return 0, false
	}
	now = e.session.clock()
	return now, (what == firstFrames) == (now-e.servedAt < directAfter)
}

// writeHere writes the pending bytes of g without blocking, in the writer's
// goroutine, and leaves the rest to another one. If the peer allows no stream it
// blocks, see waitHere. The lock is held, and released on return.
func (e *egress) writeHere(g *groupWriter, what submission, now time.Duration) {
	e.serving = true
	s := e.giveSlot(g)
	switch {
	case g.urgency != 0:
	case what == firstFrames:
		g.urgency = e.usual // its stream will be opened with that
	default:
		g.setUrgency(e.usual)
	}
	e.mu.Unlock()
	done, more, closed := g.tryFlush(e.chunk()), false, false
	if done {
		if more, closed = g.settle(); closed && !more {
			g.end(false)
		}
	}
	e.mu.Lock()
	e.servedAt = now
	e.servesNot()
	waits := false
	switch {
	case done:
		e.takeSlot(s)
		if g.active && !e.stopped {
			e.wrotePart(g, more, closed)
		}
	case e.stopped || !g.active:
		g.settle()
		e.takeSlot(s)
	default:
		e.occupy(s)
		if waits = s.out.late; !waits {
			e.session.life.spawn(func() { e.serveWaiting(g) })
		}
	}
	e.direct++
	pause := e.direct%directTurn == 0
	if !waits {
		e.dispatch()
	}
	e.mu.Unlock()
	switch {
	case waits:
		e.waitHere(g)
	case pause:
		runtime.Gosched()
	}
}

// waitHere waits for the peer to allow a stream for g, in the writer's goroutine and
// no longer than patience. What then cannot be written without blocking is left to
// another goroutine.
func (e *egress) waitHere(g *groupWriter) {
	e.waits(g)
	ctx, cancel := context.WithTimeout(g.lifetime(), patience)
	err := g.take(ctx)
	late := errors.Is(ctx.Err(), context.DeadlineExceeded)
	cancel()
	if err != nil && late || err == nil && !g.tryWrite() {
		e.session.life.spawn(func() { g.flush(); e.serve(e.next(g)) })
		return
	}
	if err != nil {
		g.fail(err)
	}
	if next := e.next(g); next != nil {
		e.session.life.spawn(func() { e.serve(next) })
	}
}
