package session

import (
	"github.com/moqlite/moqlite/api"
	"github.com/moqlite/moqlite/impl/internal/message"
	"github.com/moqlite/moqlite/impl/internal/numbers"
)

// moq-lite-06 has no word for the latest group: its group start is a floor, and a
// publisher sends all that is above and not too old. An edge is how a
// subscription of that version begins with the newest group all the same. It
// asks for the newest alone, by a max age of 0, until one has come, and then for
// what follows it at the age that is wanted. Of what has come by the first
// AcceptGroup, the reader leaves out what is not the newest.
//
// It is guarded by the session's unread lock.
type edge struct {
	wanted  bool        // begin there
	narrow  bool        // the newest alone is asked for
	asked   bool        // the request has left
	skipped bool        // the newest was handed out
	left    numbers.Set // older ones that were left out
}

// params is what travels for c, in the request or an update. The unread lock is
// held.
func (sub *subscription) params(c *api.SubscribeConfig) (message.SubscribeParams, error) {
	p, err := sub.session.params(c)
	switch spans := sub.arrived.Spans(); {
	case !sub.edge.wanted || c.StartGroup != api.GroupLatest:
	case sub.edge.narrow:
		p.MaxAge = 0
	case sub.edge.skipped:
		p.Latest, p.StartGroup = false, uint64(sub.start)
	case len(spans) > 0:
		p.Latest, p.StartGroup = false, uint64(spans[0].Start)
	}
	return p, err
}

// hasAsked notes that the request has left, so that updates may follow it.
func (sub *subscription) hasAsked() {
	sub.session.unread.mu.Lock()
	sub.edge.asked = true
	sub.session.unread.mu.Unlock()
	sub.widen() // groups may have come already
}

// widen asks for what follows the newest group, once that has come.
func (sub *subscription) widen() {
	sub.session.unread.mu.Lock()
	defer sub.session.unread.mu.Unlock()
	if e := &sub.edge; !e.narrow || !e.asked || len(sub.arrived.Spans()) == 0 {
		return
	}
	sub.edge.narrow = false
	if p, err := sub.params(&sub.config); err == nil {
		_ = sub.outbox.Update(&message.SubscribeUpdate{SubscribeParams: p})
	}
}

// reconfigure makes c what is wanted: the latest group is where the subscription
// began. A start by number may bring groups back that the edge left out: they are
// lost. The unread lock is held.
func (sub *subscription) reconfigure(c api.SubscribeConfig) api.SubscribeConfig {
	if c.StartGroup == api.GroupLatest {
		c.StartGroup = sub.config.StartGroup
	}
	sub.config = c
	if c.StartGroup != api.GroupLatest {
		for _, span := range sub.edge.left.Spans() {
			if start, end := sub.clip(span.Start, span.End); start < end {
				sub.gaps.Add(api.Gap{Start: start, End: end, Err: &api.StreamError{Code: api.StreamOld}})
			}
		}
		sub.edge = edge{asked: sub.edge.asked}
	}
	return c
}

// leaveOut gives up a group that is older than where the edge is. The unread lock
// is held.
func (sub *subscription) leaveOut(g *groupReader) {
	sub.edge.left.Add(g.seq)
	sub.edge.left.Squeeze() // as what has arrived is
	g.in.stream.CancelRead(uint64(api.StreamOld))
}
