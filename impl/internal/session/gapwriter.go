package session

import (
	"fmt"

	"github.com/moqlite/moqlite/api"
	"github.com/moqlite/moqlite/impl/internal/message"
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
	p.broadcast.TakeGroup(p.request.Name, g.End-1)
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.over {
		return fmt.Errorf("gap [%d, %d): %w", g.Start, g.End, api.ErrClosed)
	}
	p.dropLocked(clip(&p.request.Config, g))
	return nil
}

// dropLocked tells that the groups of g which have not been opened will not be.
// The lock is held.
func (p *publication) dropLocked(g api.Gap) {
	if g.Start >= g.End {
		return
	}
	p.next = max(p.next, g.End)
	for _, hole := range p.sent.Missing(g.Start, g.End) {
		p.lost(api.Gap{Start: hole.Start, End: hole.End, Err: g.Err})
	}
	p.sent.AddSpan(g.Start, g.End)
	p.squeeze()
}

// lost has the subscriber told that groups will not come. A subscriber that reads
// nothing while more and more is lost is given up. The lock is held.
func (p *publication) lost(g api.Gap) {
	if !p.outbox.Drop(g) {
		p.session.life.spawn(func() { _ = p.CloseWithError(api.StreamTooFarBehind) })
	}
}

// squeeze bounds what is known of the groups that were opened. The lock is held.
func (p *publication) squeeze() {
	if hole, ok := p.sent.Squeeze(); ok {
		p.lost(api.Gap{Start: hole.Start, End: hole.End})
	}
}

// clip is the part of g in the range that the subscriber asks for; empty while
// the subscriber waits for the newest group and there is none.
func clip(c *api.SubscribeConfig, g api.Gap) api.Gap {
	g.Start = max(g.Start, c.StartGroup)
	if c.EndGroup > 0 {
		g.End = min(g.End, c.EndGroup)
	}
	return g
}
