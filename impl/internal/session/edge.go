package session

import (
	"github.com/moqlite/moqlite/api"
	"github.com/moqlite/moqlite/impl/internal/message"
	"github.com/moqlite/moqlite/impl/internal/numbers"
	"github.com/moqlite/moqlite/impl/internal/receive"
)

// An edge makes a subscription of moq-lite-06 begin with the newest group. That version
// cannot ask for it (SUBSCRIBE: group start is a lower bound, and the publisher sends
// all groups from there on that are not too old). So the request has a max age of 0,
// which asks for the newest group alone. Once a group has come, an update asks for all
// that follow it, with the max age that is wanted. The first AcceptGroup returns the
// newest group that has come, and the older ones are refused.
//
// It is guarded by the subscription's lock.
type edge struct {
	wanted  bool        // the subscription begins with the newest group
	narrow  bool        // only the newest group is asked for so far
	asked   bool        // SUBSCRIBE was sent
	skipped bool        // AcceptGroup has returned the newest group
	left    numbers.Set // the older groups that were refused
}

// params returns what a SUBSCRIBE or SUBSCRIBE_UPDATE for c says. The subscription's lock is
// held.
func (sub *subscription) params(c *api.SubscribeConfig) (message.SubscribeParams, error) {
	p, err := subscribeParams(sub.session.version, c)
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

// hasAsked notes that SUBSCRIBE was sent, so that updates may follow it.
func (sub *subscription) hasAsked() {
	sub.mu.Lock()
	sub.edge.asked = true
	sub.mu.Unlock()
	sub.widen() // groups may have come already
}

// widen sends the update that asks for all groups from the newest on, once a group has
// come.
func (sub *subscription) widen() {
	sub.mu.Lock()
	defer sub.mu.Unlock()
	if e := &sub.edge; !e.narrow || !e.asked || len(sub.arrived.Spans()) == 0 {
		return
	}
	sub.edge.narrow = false
	if p, err := sub.params(&sub.config); err == nil {
		_ = sub.outbox.Update(&message.SubscribeUpdate{SubscribeParams: p})
	}
}

// reconfigure sets the subscription's config to c and returns it. A start at the latest
// group stands for where the subscription began. With a start by number, groups that
// the edge has refused may be wanted again: they become gaps. The subscription's lock is held.
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

// leaveOut refuses a group that is older than the one that the subscription begins
// with. The subscription's lock is held.
func (sub *subscription) leaveOut(g *receive.Group) {
	sub.edge.left.Add(g.Sequence())
	sub.edge.left.Squeeze() // bounded, like sub.arrived
	g.Stream().Cancel(api.StreamOld)
}
