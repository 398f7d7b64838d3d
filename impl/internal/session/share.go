package session

import (
	"github.com/moqlite/moqlite/api"
	"github.com/moqlite/moqlite/impl/internal/message"
)

// WriteSharedFrame implements [api.SharedWriter]. While nothing else is being
// written, the frame goes to the transport from where it is; else it is gathered
// as any other.
func (g *groupWriter) WriteSharedFrame(f *api.SharedFrame) error {
	h := message.FrameHeader{Timestamp: f.Timestamp, Size: uint64(len(f.Payload))}
	if err := g.check(&h); err != nil {
		return err
	}
	e := g.flow.egress
	if g.silent || !g.bounds.contain(g.frames) || g.flow.backlog.full.Load() || !e.reserve(g, len(f.Payload)) {
		return g.WriteFrame(f.Frame)
	}
	err := g.share(f, &h)
	if err == nil {
		g.announce(f.Timestamp)
		g.flush()
	}
	if next := e.next(g); next != nil {
		e.session.spawn(func() { e.serve(next) })
	}
	return err
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
// would be the only one: its writer waits for the transport then.
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
	}
	return may
}
