package session

import (
	"errors"
	"os"
	"time"

	"github.com/moqlite/moqlite/api"
	"github.com/moqlite/moqlite/impl/internal/message"
)

// WriteSharedFrame implements [api.SharedWriter]. While nothing else is being
// written, and has not been for a moment, a frame of a group that is in part
// written goes to the transport from where it is, by who brings it; otherwise it
// is gathered as any other. As soon as something else is to be written, who
// brings it waits no longer, and the rest is left to a goroutine.
func (g *groupWriter) WriteSharedFrame(f *api.SharedFrame) error {
	h := message.FrameHeader{Timestamp: f.Timestamp, Size: uint64(len(f.Payload))}
	if err := g.check(&h); err != nil {
		return err
	}
	e := g.flow.egress
	if g.silent || !g.bounds.contain(g.frames) || g.flow.backlog.full.Load() || !e.reserve(g, len(f.Payload)) {
		return g.WriteFrame(f.Frame)
	}
	if err := g.share(f, &h); err != nil {
		e.unreserve(g)
		return err
	}
	g.announce(f.Timestamp)
	if !e.writeReserved(g) {
		e.session.life.spawn(func() { g.flush(); e.serve(e.next(g)) })
		return nil
	}
	if next := e.next(g); next != nil {
		e.session.life.spawn(func() { e.serve(next) })
	}
	return nil
}

// share has a frame be what is written next.
func (g *groupWriter) share(f *api.SharedFrame, h *message.FrameHeader) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	if err := g.usable(); err != nil {
		return err
	}
	var header [headerRoom]byte
	out := &g.slot.out
	out.taken, out.shared = f.Form(h.Append(g.flow.session.version, header[:0], g.timestamp)), true
	out.counted = len(out.taken) + groupOverhead
	g.flow.backlog.add(out.counted)
	g.queued, g.unwanted = true, false
	g.frames++
	g.timestamp = h.Timestamp
	return nil
}

// reserve gives a group of which a part is written a slot for n bytes more, if it
// is the only one. Its writer waits for the transport then, until something else
// is to be written.
func (e *egress) reserve(g *groupWriter, n int) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	if !g.active || !g.part || e.stopped || n > e.chunk()-headerRoom {
		return false
	}
	now, may := e.mayWrite(moreFrames)
	if may {
		s := e.giveSlot(g)
		s.waits, s.since = true, now
		e.occupy(s)
		e.reserved = s
	}
	return may
}

// unreserve gives the slot back of which no use was made.
func (e *egress) unreserve(g *groupWriter) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.wrote(g.slot)
	e.dispatch()
}

// writeReserved writes what was reserved for, until something else is to be
// written, and tells whether that was all of it.
func (e *egress) writeReserved(g *groupWriter) (all bool) {
	n, err := g.stream.Write(g.slot.out.taken)
	if errors.Is(err, os.ErrDeadlineExceeded) && e.stopsWaiting(g.slot) {
		err = nil
	}
	return g.wrote(n, err)
}

// stopsWaiting notes that who brings what is written does not wait any more, and
// tells whether that is for it was not to.
func (e *egress) stopsWaiting(s *slot) (hurried bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	hurried = s.hurried
	e.waitsNot(s)
	return hurried
}

// waitsNot is stopsWaiting where the lock is held.
func (e *egress) waitsNot(s *slot) {
	if e.reserved == s {
		e.reserved = nil
	}
	if s.hurried {
		s.hurried = false
		_ = s.group.stream.SetWriteDeadline(time.Time{})
	}
}

// hurry has who waits with what it brings wait no longer. The lock is held.
func (e *egress) hurry() {
	if s := e.reserved; s != nil && !s.hurried {
		s.hurried = true
		_ = s.group.stream.SetWriteDeadline(time.Unix(1, 0))
	}
}
