package live

import (
	"time"

	"github.com/moqlite/moqlite/api"
)

// A Demand is what the subscribers of a track want, taken together: who fills
// the track from elsewhere needs no more than one subscription for all.
type Demand struct {
	// Subscribers is how many there are.
	Subscribers int

	// Config has the highest priority, the largest MaxLatency, the lowest
	// StartGroup, and the highest EndGroup; frames are not bounded. It is zero
	// without subscribers. Where some want the newest group and others one of a
	// number, and no group is held, StartGroup is 0: the newest may be below.
	Config api.SubscribeConfig
}

// Demand returns what is wanted now, and a channel that is closed when that
// may have changed:
//
//	for {
//		demand, changed := track.Demand()
//		… // subscribe, update, or unsubscribe
//		<-changed // or the end of the subscription
//	}
func (t *Track) Demand() (d Demand, changed <-chan struct{}) {
	t.mu.Lock()
	defer t.mu.Unlock()
	edge := false
	for _, s := range t.subs {
		d.add(s.config)
		edge = edge || s.config.StartGroup == api.GroupLatest
	}
	if start := &d.Config.StartGroup; edge && *start != api.GroupLatest {
		*start = min(*start, t.edgeStart())
	}
	return d, t.demand.Changed()
}

// edgeStart is the newest group, 0 where that is not known. The lock is held.
func (t *Track) edgeStart() api.GroupSequence {
	if newest := t.cache.last(); newest != nil {
		return newest.seq
	}
	return 0
}

// CloseIdle aborts the track if nobody is subscribed, and reports whether it
// has ended. A [Broadcast] then makes another by OnTrack for who comes next,
// who is not turned away however close the two are.
func (t *Track) CloseIdle() bool {
	tell := func() {}
	t.mu.Lock()
	if len(t.subs) == 0 && t.aborted == nil {
		t.idle = true
		tell = t.abort(api.StreamCancelled)
	}
	over := t.aborted != nil
	t.mu.Unlock()
	tell()
	return over
}

// add takes in one subscriber more.
func (d *Demand) add(c api.SubscribeConfig) {
	c.StartFrame, c.EndFrame = 0, 0
	d.Subscribers++
	if d.Subscribers == 1 {
		d.Config = c
		return
	}
	all := &d.Config
	all.Priority = max(all.Priority, c.Priority)
	all.MaxLatency = largerLatency(all.MaxLatency, c.MaxLatency)
	all.StartGroup = min(all.StartGroup, c.StartGroup)
	if all.EndGroup = max(all.EndGroup, c.EndGroup); c.EndGroup == 0 || all.EndGroup == 0 {
		all.EndGroup = 0
	}
}

// largerLatency is the larger of two max latencies: 0 is the publisher's own,
// which is the largest.
func largerLatency(a, b time.Duration) time.Duration {
	if a == 0 || b == 0 {
		return 0
	}
	return max(a, b)
}
