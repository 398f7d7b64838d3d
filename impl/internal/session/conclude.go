package session

import (
	"time"

	"github.com/moqlite/moqlite/api"
	"github.com/moqlite/moqlite/impl/internal/control"
	"github.com/moqlite/moqlite/impl/internal/message"
	"github.com/moqlite/moqlite/transport"
)

// end is called when the subscriber's half of the stream has ended. It resets the groups
// that are open and ends our half.
func (p *publication) end(err error) {
	p.mu.Lock()
	p.cancel(err)
	p.closed, p.over = true, true
	groups := p.open.All()
	p.mu.Unlock()
	for _, g := range groups {
		g.Reset(err, api.StreamCancelled)
	}
	p.outbox.Finish()
}

// returned is called when the handler has returned. It resets the groups that are open
// and closes the track.
func (p *publication) returned() {
	p.mu.Lock()
	groups := p.open.All()
	p.mu.Unlock()
	for _, g := range groups {
		if g.IsOpen() {
			g.Cancel(api.StreamCancelled)
		}
	}
	_ = p.Close()
}

// Close implements [api.TrackSink].
func (p *publication) Close() error {
	p.mu.Lock()
	again := p.closed
	p.closed = true
	p.cancel(api.ErrClosed) // under the lock: a caller that gets ErrClosed finds the context ended
	p.mu.Unlock()
	if again {
		return nil
	}
	p.session.life.spawn(p.conclude)
	return nil
}

// CloseWithError implements [api.TrackSink].
func (p *publication) CloseWithError(code api.StreamErrorCode) error {
	err := &api.StreamError{Code: code}
	p.mu.Lock()
	again := p.over
	p.closed, p.over = true, true
	groups := p.open.All()
	p.cancel(err)
	p.mu.Unlock()
	if again {
		return nil
	}
	for _, g := range groups {
		g.Reset(err, code)
	}
	p.stream.Refuse(code)
	return nil
}

// conclude waits until all groups have been written and then sends the track's end:
// SUBSCRIBE_DROP for the numbers that were skipped, SUBSCRIBE_END (moq-lite-05 and 06),
// and the end of our half of the stream.
func (p *publication) conclude() {
	for {
		p.mu.Lock()
		open, over := p.open.Len(), p.over
		p.mu.Unlock()
		if over {
			return
		}
		if open == 0 {
			break
		}
		select {
		case <-p.settled:
		case <-p.session.Context().Done():
			return
		}
	}
	p.session.quiet()
	p.mu.Lock()
	if p.over {
		p.mu.Unlock()
		return
	}
	p.over = true
	first := p.first
	if start := p.request.Config.StartGroup; !p.started || start > 0 && start < first {
		first = start
	}
	for _, hole := range p.sent.Missing(first, p.next) {
		p.outbox.Put(control.DropMessage(api.Gap{Start: hole.Start, End: hole.End}))
	}
	if p.session.version.ImplicitOK {
		p.outbox.Put(&message.SubscribeEnd{Group: uint64(p.next)})
	}
	p.mu.Unlock()
	p.outbox.Finish()
}

// quiet waits until all that was sent has probably arrived: until the connection has
// sent no packet for longer than a probe timeout, after which a lost one would have been
// sent again. Some subscribers take a group that is still arriving at the track's end
// for complete. On a busy connection quiet returns after a second.
func (s *Session) quiet() {
	c, ok := s.conn.(transport.StatsConn)
	if !ok {
		return
	}
	before := c.Stats()
	if before.PacketsSent == 0 {
		return
	}
	timeout := before.RTT + max(4*before.RTTVar, time.Millisecond) + 25*time.Millisecond
	deadline := time.Now().Add(time.Second)
	for time.Now().Before(deadline) {
		select {
		case <-time.After(min(timeout*5/4, time.Until(deadline))):
		case <-s.Context().Done():
			return
		}
		now := c.Stats()
		if now.PacketsSent == before.PacketsSent {
			return
		}
		before = now
	}
}
