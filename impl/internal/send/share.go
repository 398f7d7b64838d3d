package send

import (
	"errors"
	"os"
	"time"

	"github.com/moqlite/moqlite/api"
	"github.com/moqlite/moqlite/impl/internal/message"
)

// WriteSharedFrame implements [api.SharedWriter]. If no write is under way, the queue
// is empty, nothing was written for directAfter, and a part of the group is written
// already, the writer passes the frame's memory to the transport without copying it
// into a buffer. It then blocks until the transport has taken all of it, or until
// another group has something to send; in that case another goroutine writes the
// rest. Otherwise the call does what WriteFrame does.
func (g *Group) WriteSharedFrame(f *api.SharedFrame) error {
	h := message.FrameHeader{Timestamp: f.Timestamp, Size: uint64(len(f.Payload))}
	if err := g.check(&h); err != nil {
		return err
	}
	q := g.lane.queue
	if g.silent || !g.wanted.contain(g.frames) || g.lane.backlog.full.Load() || !q.reserve(g, len(f.Payload)) {
		return g.WriteFrame(f.Frame)
	}
	if err := g.share(f, &h); err != nil {
		q.unreserve(g)
		return err
	}
	g.announce(f.Timestamp)
	if !q.writeReserved(g) {
		q.host.Spawn(func() { g.flush(); q.serve(q.next(g)) })
		return nil
	}
	if next := q.next(g); next != nil {
		q.host.Spawn(func() { q.serve(next) })
	}
	return nil
}

// share makes the frame, with its header in front, the bytes that the group's slot
// writes.
func (g *Group) share(f *api.SharedFrame, h *message.FrameHeader) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	if err := g.usable(); err != nil {
		return err
	}
	var header [headerRoom]byte
	out := &g.slot.out
	out.taken, out.shared = f.Form(h.Append(g.lane.queue.version, header[:0], g.timestamp)), true
	out.counted = len(out.taken) + groupOverhead
	g.lane.backlog.add(out.counted)
	g.queued, g.unwanted = true, false
	g.frames++
	g.timestamp = h.Timestamp
	return nil
}

// reserve gives g a slot for a direct write of n payload bytes. It reports false
// unless a part of g is written already, mayWrite allows it, and the frame fits in
// one write.
func (q *Queue) reserve(g *Group, n int) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	if !g.active || !g.part || q.stopped || n > q.chunk()-headerRoom {
		return false
	}
	now, may := q.mayWrite(moreFrames)
	if may {
		s := q.giveSlot(g)
		s.waits, s.since = true, now
		q.occupy(s)
		q.reserved = s
	}
	return may
}

// unreserve gives the slot back unused.
func (q *Queue) unreserve(g *Group) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.wrote(g.slot)
	q.dispatch()
}

// writeReserved writes the shared frame, and reports whether nothing is left to do.
// It blocks until all is written or hurry interrupts it.
func (q *Queue) writeReserved(g *Group) (all bool) {
	n, err := g.stream.Write(g.slot.out.taken)
	if errors.Is(err, os.ErrDeadlineExceeded) && q.stopsWaiting(g.slot) {
		err = nil
	}
	return g.wrote(n, err)
}

// stopsWaiting is called when a writer's blocking write has timed out. It clears the
// deadline, and reports whether hurry had set it.
func (q *Queue) stopsWaiting(s *slot) (hurried bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	hurried = s.hurried
	q.waitsNot(s)
	return hurried
}

// waitsNot ends the reservation of a slot, if it has one, and clears the write
// deadline that hurry has set. The lock is held.
func (q *Queue) waitsNot(s *slot) {
	if q.reserved == s {
		q.reserved = nil
	}
	if s.hurried {
		s.hurried = false
		_ = s.group.stream.SetWriteDeadline(time.Time{})
	}
}

// hurry interrupts the writer that blocks in writeReserved, if there is one: other
// groups have something to send. The lock is held.
func (q *Queue) hurry() {
	if s := q.reserved; s != nil && !s.hurried {
		s.hurried = true
		_ = s.group.stream.SetWriteDeadline(time.Unix(1, 0))
	}
}
