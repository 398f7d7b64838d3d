package send

import (
	"github.com/moqlite/moqlite/api"
	"github.com/moqlite/moqlite/impl/internal/message"
)

// WriteSharedFrame implements [api.SharedWriter]. If claimShared allows it, the writer
// passes the frame's memory to the transport without copying it into a buffer. It then
// blocks until the transport has taken all of it, or until another group has something
// to send; in that case another goroutine writes the rest. Otherwise the call does what
// WriteFrame does.
func (g *Group) WriteSharedFrame(f *api.SharedFrame) error {
	h := message.FrameHeader{Timestamp: f.Timestamp, Size: uint64(len(f.Payload))}
	if err := g.check(&h); err != nil {
		return err
	}
	if !g.wants(g.frames) || g.lane.admission.holds.Load() != 0 {
		return g.WriteFrame(f.Frame)
	}
	q := g.lane.queue
	s := q.claimShared(g, len(f.Payload))
	if s == nil {
		return g.WriteFrame(f.Frame)
	}
	if err := s.share(f, &h); err != nil {
		q.leave(q.next(s))
		return err
	}
	g.owner.FrameBegins(g, f.Timestamp)
	q.writeHere(s)
	return nil
}

// claimShared claims a slot for a shared frame with a payload of n bytes. It returns nil
// unless a part of the group is written already, the frame fits in one write, and claim
// lets the writer write.
func (q *Queue) claimShared(g *Group, n int) *slot {
	q.mu.Lock()
	defer q.mu.Unlock()
	if !g.active || !g.part || q.stopped || n > q.chunk()-headerRoom {
		return nil
	}
	return q.claim(g, sharedFrame)
}

// share makes the frame, with its header in front, what the slot writes.
func (s *slot) share(f *api.SharedFrame, h *message.FrameHeader) error {
	g := s.group
	g.mu.Lock()
	defer g.mu.Unlock()
	if err := g.usable(); err != nil {
		return err
	}
	var header [headerRoom]byte
	s.taken, s.shared = f.Form(h.Append(g.lane.queue.version, header[:0], g.timestamp)), true
	s.counted = len(s.taken) + groupOverhead
	g.lane.admission.add(s.counted)
	g.queued, g.unwanted = true, false
	g.frames++
	g.timestamp = h.Timestamp
	return nil
}
