package session

import (
	"github.com/moqlite/moqlite/api"
	"github.com/moqlite/moqlite/impl/internal/message"
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
	wanted bool // the subscription begins with the newest group
	narrow bool // only the newest group is asked for so far
	asked  bool // SUBSCRIBE was sent
}

// params returns what a SUBSCRIBE or SUBSCRIBE_UPDATE for c says. The subscription's lock
// is held.
func (sub *subscription) params(c *api.SubscribeConfig) (message.SubscribeParams, error) {
	p, err := subscribeParams(sub.session.version, c)
	switch first, ok := sub.coverage.First(); {
	case !sub.edge.wanted || c.StartGroup != api.GroupLatest:
	case sub.edge.narrow:
		p.MaxAge = 0
	case ok:
		p.Latest, p.StartGroup = false, uint64(first)
	}
	return p, err
}

// markAsked notes that SUBSCRIBE was sent, so that updates may follow it.
func (sub *subscription) markAsked() {
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
	_, some := sub.coverage.First()
	if e := &sub.edge; !e.narrow || !e.asked || !some {
		return
	}
	sub.edge.narrow = false
	if p, err := sub.params(&sub.config); err == nil {
		_ = sub.outbox.Update(&message.SubscribeUpdate{SubscribeParams: p})
	}
}

// reconfigure sets the subscription's config to c and returns it. A start at the latest
// group stands for where the subscription began. The subscription's lock is held.
func (sub *subscription) reconfigure(c api.SubscribeConfig) api.SubscribeConfig {
	if c.StartGroup == api.GroupLatest {
		c.StartGroup = sub.config.StartGroup
	}
	sub.config = c
	sub.coverage.Ask(c.StartGroup, c.EndGroup)
	if c.StartGroup != api.GroupLatest {
		sub.edge = edge{asked: sub.edge.asked}
	}
	return c
}

// leaveOut refuses a group that is older than the one that the subscription begins
// with. The subscription's lock is held.
func (sub *subscription) leaveOut(g *receive.Group) {
	sub.coverage.LeaveOut(g.Sequence())
	g.Stream().Cancel(api.StreamOld)
}
