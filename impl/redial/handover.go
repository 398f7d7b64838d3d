package redial

import (
	"io"
	"time"

	"github.com/moqlite/moqlite/api"
)

// handOver ends f when next, or a feed that follows next, has begun: until
// then, and for groups before the first of that feed, f passes on what it has.
func (f *feed) handOver(next *feed) {
	quiet := time.NewTicker(idleFor)
	defer quiet.Stop()
	taken := -1
	ended := next.done.Done()
	for {
		if next.begun.Happened() {
			f.finishBelow(next)
			return
		}
		select {
		case <-next.begun.Done():
		case <-f.done.Done():
			f.expectRest(next.lost)
			return
		case <-next.newest.Done():
			after := next.successor()
			if after == nil { // the track is about to end
				<-f.done.Done()
				f.expectRest(next.lost)
				return
			}
			next = after
			ended = next.done.Done()
		case <-ended: // without a group: only the end of the track ends f too
			if ended = nil; next.err == io.EOF {
				f.finishBelow(next)
				return
			}
		case <-quiet.C: // neither delivers anything: f need not run beside next for ever
			if f.isSilent(&taken) && !next.isDone() {
				f.finishBelow(next)
				return
			}
		}
	}
}

// isSilent reports whether nothing was passed on since the last call, which has
// set taken, and nothing waits to be.
func (f *feed) isSilent(taken *int) bool {
	f.track.mu.Lock()
	defer f.track.mu.Unlock()
	still := f.taken == *taken && !f.busy
	*taken = f.taken
	return still
}

// finishBelow ends f when it has passed on what next does not have, or has had
// the time to.
func (f *feed) finishBelow(next *feed) {
	if config, ok := f.limitBelow(next); ok {
		_ = f.updateConfig(config)
	}
	f.awaitSilence()
	f.stopAccepting()
	<-f.done.Done()
	f.expectRest(next.lost)
}

// limitBelow makes f pass on nothing from the first group of next on, and returns
// the config to ask for: it still includes groups that are being read.
func (f *feed) limitBelow(next *feed) (config api.SubscribeConfig, ok bool) {
	t := f.track
	t.mu.Lock()
	defer t.mu.Unlock()
	if !next.begun.Happened() || next.numbering != f.numbering {
		return config, false
	}
	f.end = next.first
	config = t.config
	config.EndGroup, config.EndFrame = f.numbering.next, 0
	if config.StartGroup == api.GroupLatest {
		// Sent again, GroupLatest would mean the group that is the newest now.
		config.StartGroup = f.numbering.firstSequence()
	}
	return config, true
}

// awaitSilence returns when nothing has come for a while that f could pass on.
func (f *feed) awaitSilence() {
	ticker := time.NewTicker(reorderWait)
	defer ticker.Stop()
	for taken := -1; !f.isSilent(&taken); {
		select {
		case <-ticker.C:
		case <-f.done.Done():
			return
		}
	}
}

// expectRest counts what f should have passed on as lost, unless another feed
// brings it soon.
func (f *feed) expectRest(err error) {
	t := f.track
	t.mu.Lock()
	defer t.mu.Unlock()
	f.numbering.expectMissing(err, time.Now().Add(reorderWait))
}
