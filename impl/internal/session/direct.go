package session

import (
	"context"
	"errors"
	"runtime"
	"time"
)

const (
	// directAfter is how long nothing was written before more of a group is
	// written by who brings it. A publisher that is faster than that has its
	// frames gathered.
	directAfter = time.Millisecond

	// patience is how long who brings a group waits for the peer to allow a
	// stream for it, before that is left to a goroutine and what comes next is
	// gathered. A peer that keeps up takes less; a publisher that is faster is
	// then held to its pace at no cost.
	patience = 10 * time.Millisecond

	// directTurn is how many writes those who bring them make until others run:
	// what is written then leaves and is read, rather than thousands of groups
	// being with the transport, which none that are better can overtake and no
	// cache holds.
	directTurn = 128
)

// A submission is what a group has to send.
type submission uint8

const (
	nothing     submission = iota
	firstFrames            // and its stream is not open
	moreFrames
)

// submit queues a group that has something to send, or has it written here, as
// far as that needs no waiting.
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

// mayWrite tells whether what a group has to send is written by who brings it,
// which saves a goroutine. Who brings much has it gathered meanwhile by another
// one; so has who begins a group after a while, since its end often comes with
// its first frame. The lock is held.
func (e *egress) mayWrite(what submission) (now time.Duration, may bool) {
	if e.serving || len(e.writing) > 0 || !e.ready.empty() {
		return 0, false
	}
	now = e.session.clock()
	return now, (what == firstFrames) == (now-e.servedAt < directAfter)
}

// writeHere writes what a group has to send, as far as that needs no waiting, and
// leaves the rest to a goroutine. It unlocks.
func (e *egress) writeHere(g *groupWriter, what submission, now time.Duration) {
	e.serving = true
	s := e.giveSlot(g)
	switch {
	case g.urgency != 0:
	case what == firstFrames:
		g.urgency = e.usual // which its stream is opened with
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

// waitHere is serveWaiting for g alone, and no longer than patience: what takes
// longer is left to a goroutine.
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
