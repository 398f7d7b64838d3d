package session

import (
	"fmt"

	"github.com/moqlite/moqlite/api"
	"github.com/moqlite/moqlite/impl/internal/message"
	"github.com/moqlite/moqlite/impl/internal/numbers"
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
	p.dropLocked(clip(&p.request.Config, numbers.Span{Start: g.Start, End: g.End}), gapCode(g.Err))
	return nil
}

// dropLocked tells that the groups of s which have not been opened will not be.
// The lock is held.
func (p *publication) dropLocked(s numbers.Span, code api.StreamErrorCode) {
	if s.Start >= s.End {
		return
	}
	p.next = max(p.next, s.End)
	for _, hole := range p.sent.Missing(s.Start, s.End) {
		p.lost(hole, code)
	}
	p.sent.AddSpan(s.Start, s.End)
	p.squeeze()
}

// lost has the subscriber told that groups will not come. One that takes in
// nothing while more and more is lost is given up. The lock is held.
func (p *publication) lost(s numbers.Span, code api.StreamErrorCode) {
	if !p.outbox.drop(losses{s, code}) {
		p.session.spawn(func() { _ = p.CloseWithError(api.StreamTooFarBehind) })
	}
}

// squeeze bounds what is known of the groups that were opened. The lock is held.
func (p *publication) squeeze() {
	if hole, ok := p.sent.Squeeze(); ok {
		p.lost(hole, api.StreamNotFound)
	}
}

// clip is the part of s in the range that the subscriber asks for; empty while
// it waits for the newest group and there is none.
func clip(c *api.SubscribeConfig, s numbers.Span) numbers.Span {
	s.Start = max(s.Start, c.StartGroup)
	if c.EndGroup > 0 {
		s.End = min(s.End, c.EndGroup)
	}
	return s
}

// gapCode is the code that tells why groups are lost. Where that is not known,
// they are not there.
func gapCode(err error) api.StreamErrorCode {
	if err == nil {
		return api.StreamNotFound
	}
	return api.ErrorCode(err)
}
