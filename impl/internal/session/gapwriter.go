package session

import (
	"fmt"

	"github.com/moqlite/moqlite/api"
	"github.com/moqlite/moqlite/impl/internal/message"
)

// A subscriber waits, for a while, for each number between those that have come. So it is
// told of all that it will not get, as soon as that is known: what the application leaves
// out, what was given to other subscribers, what is reset here, what it asks for when that
// has gone by, and at the end of the track what was skipped. No number is told twice. One
// that was sent is told only if its group was reset, or if it went as a datagram, which
// may be lost.

// errOtherSubscriber is why a subscriber does not get the numbers that its handler's
// OpenGroup finds taken: no loss. errPassed is why it does not get the groups that were
// written while it did not ask for them.
var (
	errOtherSubscriber = &api.StreamError{Code: api.StreamOtherSubscriber}
	errPassed          = &api.StreamError{Code: api.StreamEvicted}
)

// WriteGap implements [api.GapWriter] by SUBSCRIBE_DROP, which every version
// has (moq-lite-03 to 06).
func (p *publication) WriteGap(g api.Gap) error {
	if err := p.usable(p.ctx); err != nil {
		return fmt.Errorf("gap [%d, %d): %w", g.Start, g.End, err)
	}
	g.End = min(g.End, message.MaxVarint) // no group has a higher number
	if g.Start >= g.End {
		return nil
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.broadcast.TakeGroup(p.request.Name, g.End-1)
	if p.over {
		return fmt.Errorf("gap [%d, %d): %w", g.Start, g.End, api.ErrClosed)
	}
	p.dropUnsent(clip(&p.request.Config, g))
	return nil
}

// isStartKnown reports whether numbers before the next group can be missing: the
// subscriber has asked for a first one, or got one. The lock is held.
func (p *publication) isStartKnown() bool {
	return p.started || p.request.Config.StartGroup > 0
}

// leaveOut tells the subscriber that the groups of g will not come, as far as it asks for
// them, and keeps the others in mind. The lock is held.
func (p *publication) leaveOut(g api.Gap) {
	in := clip(&p.request.Config, g)
	if in.Start >= in.End {
		p.pass(g.Start, g.End)
		return
	}
	p.pass(g.Start, in.Start)
	p.pass(in.End, g.End)
	p.dropUnsent(in)
}

// pass notes that the numbers in [start, end) go by while the subscriber does not ask for
// them, to be told if it does later. The lock is held.
func (p *publication) pass(start, end api.GroupSequence) {
	p.passed.AddSpan(start, end)
	p.passed.Squeeze()
}

// tellPassed tells the subscriber, which has changed its range, of the groups in it that
// have gone by. The lock is held.
func (p *publication) tellPassed() {
	if !p.isStartKnown() || p.over {
		return
	}
	all := clip(&p.request.Config, api.Gap{End: maxGroups, Err: errPassed})
	for _, span := range p.passed.Spans() {
		p.dropUnsent(api.Gap{Start: max(span.Start, all.Start), End: min(span.End, all.End), Err: all.Err})
	}
	p.passed.RemoveSpan(all.Start, all.End)
}

// dropUnsent tells the subscriber that the groups of g that were not opened will not
// come. The lock is held.
func (p *publication) dropUnsent(g api.Gap) {
	if g.Start >= g.End {
		return
	}
	p.next = max(p.next, g.End)
	for _, hole := range p.sent.Missing(g.Start, g.End) {
		p.queueDrop(api.Gap{Start: hole.Start, End: hole.End, Err: g.Err})
	}
	p.sent.AddSpan(g.Start, g.End)
	p.squeeze()
}

// queueDrop queues a SUBSCRIBE_DROP for g. If too many are queued, because the subscriber
// reads none, it ends the subscription. The lock is held.
func (p *publication) queueDrop(g api.Gap) {
	if !p.outbox.Drop(g) {
		p.session.life.spawn(func() { _ = p.CloseWithError(api.StreamTooFarBehind) })
	}
}

// squeeze bounds the memory of the set sent: if it has too many holes, the groups of the
// oldest hole will not come. The lock is held.
func (p *publication) squeeze() {
	if hole, ok := p.sent.Squeeze(); ok {
		p.queueDrop(api.Gap{Start: hole.Start, End: hole.End})
	}
}

// clip returns the part of g that is in the range that the subscriber asks for. It is
// empty while the subscriber asks for the newest group and there is none.
func clip(c *api.SubscribeConfig, g api.Gap) api.Gap {
	g.Start = max(g.Start, c.StartGroup)
	if c.EndGroup > 0 {
		g.End = min(g.End, c.EndGroup)
	}
	return g
}
