package redial

import (
	"io"
	"time"

	"github.com/moqlite/moqlite/api"
)

// handOver has f end when next goes on, or what follows next: what f has of the
// groups before the first of that one it still passes on.
func (f *feed) handOver(next *feed) {
	quiet := time.NewTicker(idle)
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
			f.giveUp(next.lost)
			return
		case <-next.newest.Done():
			after := next.follower()
			if after == nil { // the track is about to end
				<-f.done.Done()
				f.giveUp(next.lost)
				return
			}
			next = after
			ended = next.done.Done()
		case <-ended:
			if ended = nil; next.err == io.EOF {
				f.finishBelow(next)
				return
			}
		case <-quiet.C:
			if f.still(&taken) && !next.finished() {
				f.finishBelow(next)
				return
			}
		}
	}
}

// still tells whether nothing was passed on since taken was set, nor waits to
// be, and sets it.
func (f *feed) still(taken *int) bool {
	f.track.mu.Lock()
	defer f.track.mu.Unlock()
	still := f.taken == *taken && !f.busy
	*taken = f.taken
	return still
}

// finishBelow ends f when it has passed on what next does not have, or has had
// the time to.
func (f *feed) finishBelow(next *feed) {
	if config, ok := f.below(next); ok {
		_ = f.update(config)
	}
	f.settle()
	f.stopAccepting()
	<-f.done.Done()
	f.giveUp(next.lost)
}

// below has f pass on nothing from the first group of next on, and returns what
// it is then to ask for: groups that are being read stay within it.
func (f *feed) below(next *feed) (config api.SubscribeConfig, ok bool) {
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
		// Said again, it would be the newest now.
		config.StartGroup = f.numbering.first()
	}
	return config, true
}

// settle returns when nothing has come for a while that f could pass on.
func (f *feed) settle() {
	ticker := time.NewTicker(settle)
	defer ticker.Stop()
	for taken := -1; !f.still(&taken); {
		select {
		case <-ticker.C:
		case <-f.done.Done():
			return
		}
	}
}

// giveUp has what f should have passed on count as lost, if it does not come by
// another feed soon.
func (f *feed) giveUp(err error) {
	t := f.track
	t.mu.Lock()
	defer t.mu.Unlock()
	f.numbering.expectAll(err, time.Now().Add(settle))
}
