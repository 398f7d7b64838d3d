package live

import (
	"time"

	"github.com/moqlite/moqlite/api"
)

// A Demand is what the subscribers of a track want together: a program that
// fills the track from elsewhere needs only one subscription for all of them.
type Demand struct {
	// Subscribers is the number of subscriptions.
	Subscribers int

	// Config has the highest priority, the largest MaxLatency, the lowest
	// StartGroup, and the highest EndGroup; frames are not bounded. It is zero
	// without subscribers. If some subscribers want the newest group and others
	// a numbered one, and no group is held, StartGroup is 0, since the newest
	// may be below that number.
	Config api.SubscribeConfig

	// LowestStart is the lowest StartGroup that names a group, which its
	// subscriber has to get or be told of; 0 if all begin with what is there.
	LowestStart api.GroupSequence
}

// Demand returns what is wanted now, and a channel that is closed when that may
// have changed:
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
		d.addConfig(s.config)
		edge = edge || s.config.StartGroup == api.GroupLatest
	}
	if start := &d.Config.StartGroup; edge && *start != api.GroupLatest {
		*start = min(*start, t.newestSequence())
	}
	return d, t.demand.Changed()
}

// newestSequence returns the number of the newest group, 0 if none is held. The
// lock is held.
func (t *Track) newestSequence() api.GroupSequence {
	if newest := t.cache.last(); newest != nil {
		return newest.seq
	}
	return 0
}

// CloseIdle aborts the track if it has no subscribers, and reports whether it
// was aborted, now or before. A [Broadcast] with OnTrack then makes another one
// at the next request. A subscriber that comes at the same moment is not
// refused.
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

// addConfig adds what one subscriber wants.
func (d *Demand) addConfig(c api.SubscribeConfig) {
	c.StartFrame, c.EndFrame = 0, 0
	named := c.StartGroup > 0 && c.StartGroup != api.GroupLatest
	if named && (d.LowestStart == 0 || c.StartGroup < d.LowestStart) {
		d.LowestStart = c.StartGroup
	}
	d.Subscribers++
	if d.Subscribers == 1 {
		d.Config = c
		return
	}
	all := &d.Config
	all.Priority = max(all.Priority, c.Priority)
	all.MaxLatency = largerLatency(all.MaxLatency, c.MaxLatency)
	all.StartGroup = min(all.StartGroup, c.StartGroup)
	if all.EndGroup != 0 && c.EndGroup != 0 {
		all.EndGroup = max(all.EndGroup, c.EndGroup)
	} else {
		all.EndGroup = 0
	}
}

// largerLatency returns the larger of two max latencies: 0, the publisher's
// own, is the largest.
func largerLatency(a, b time.Duration) time.Duration {
	if a == 0 || b == 0 {
		return 0
	}
	return max(a, b)
}
