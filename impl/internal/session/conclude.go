package session

import (
	"github.com/moqlite/moqlite/api"
	"github.com/moqlite/moqlite/impl/internal/control"
	"github.com/moqlite/moqlite/impl/internal/message"
)

// A publication ends in one of four ways: its handler returns, or closes it, or closes it
// with an error, or the subscriber leaves. Only the first two send what belongs to the
// end of a track, and only after all groups have been written.

// unsubscribed is called when the subscriber's half of the stream has ended. It resets
// the groups that are open and ends our half.
func (p *publication) unsubscribed(err error) {
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

// handlerReturned is called when the handler has returned. It resets the groups that are
// open and closes the track.
func (p *publication) handlerReturned() {
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

// Close implements [api.TrackSink]. It does not wait for the groups: conclude does, in a
// goroutine of the session.
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

// CloseWithError implements [api.TrackSink]. Unlike Close it has an effect after Close too,
// as long as the end was not sent.
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
	awaitQuiet(p.session.Context(), p.session.conn)
	p.mu.Lock()
	if p.over {
		p.mu.Unlock()
		return
	}
	p.over = true
	// Numbers below the first that was sent are missing too if they were asked for.
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
