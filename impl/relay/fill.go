package relay

import (
	"time"

	"github.com/moqlite/moqlite/api"
	"github.com/moqlite/moqlite/impl/live"
)

// idleFor is how long a track that nobody reads is kept: who comes back soon
// finds what is held.
const idleFor = 2 * time.Second

// A filler keeps a track fed from upstream, by one subscription at a time,
// while somebody reads it.
type filler struct {
	broadcast *broadcast
	name      api.TrackName
	track     *live.Track
	current   *feed           // nil before somebody reads, and between two
	next      *feed           // by a better route, until its first group
	refused   map[*route]bool // routes that have failed
	idle      *time.Timer
}

// fill runs until the track ends.
func fill(b *broadcast, name api.TrackName, track *live.Track) {
	f := &filler{broadcast: b, name: name, track: track, refused: make(map[*route]bool), idle: time.NewTimer(idleFor)}
	defer f.idle.Stop()
	for f.step() {
	}
	for _, feed := range []*feed{f.current, f.next} {
		if feed != nil {
			feed.stop()
		}
	}
}

// step brings the feeds in line with what is wanted, and waits for a change. It
// reports false when the track has ended.
func (f *filler) step() bool {
	demand, demandChanged := f.track.Demand()
	best, routesChanged := f.broadcast.best(f.refused)
	if demand.Subscribers > 0 {
		f.idle.Reset(idleFor)
		if !f.follow(best, demand.Config) {
			return false
		}
	}
	select {
	case <-demandChanged:
	case <-routesChanged:
	case <-f.track.Context().Done():
		return false
	case <-f.idle.C:
		return !f.track.CloseIdle()
	case err := <-f.current.ended():
		return f.lost(err)
	case <-f.next.started():
		f.current.retire()
		f.current, f.next = f.next, nil
	case err := <-f.next.ended():
		f.broadcast.relay.log("no change to a better route", f.next.route.session, err)
		f.refused[f.next.route] = true
		f.next = nil
	}
	return true
}

// follow has the current feed ask for what is wanted, and another one begin if
// there is a better route. It reports false when there is none at all.
func (f *filler) follow(best *route, config api.SubscribeConfig) bool {
	switch {
	case f.current == nil && best == nil:
		_ = f.track.CloseWithError(api.StreamUnroutable)
		return false
	case f.current == nil:
		f.current = f.feed(best, config)
		return true
	}
	f.current.update(config)
	switch {
	case best == nil || best.session == f.current.route.session:
		f.drop()
	case f.next == nil || f.next.route.session != best.session:
		f.drop()
		f.next = f.feed(best, config)
	}
	return true
}

// drop gives up the change to another route.
func (f *filler) drop() {
	if f.next != nil {
		f.next.stop()
		f.next = nil
	}
}

// feed subscribes by a route, from the group on that follows those that are
// here.
func (f *filler) feed(rt *route, config api.SubscribeConfig) *feed {
	if newest, ok := f.track.Latest(); ok {
		config.StartGroup = newest + 1
	}
	return startFeed(rt, f.broadcast.path, f.name, f.track, config)
}

// lost handles the end of the current feed. It reports false when that is the
// track's.
func (f *filler) lost(err error) bool {
	if ended(err) {
		_ = f.track.Close()
		return false
	}
	failed := f.current
	f.refused[failed.route] = true
	f.current = nil
	if f.next != nil {
		f.current, f.next = f.next, nil
		return true
	}
	best, _ := f.broadcast.best(f.refused)
	if best == nil {
		_ = f.track.CloseWithError(api.ErrorCode(err))
		return false
	}
	return true
}

// started is closed at the feed's first group; nil never is.
func (f *feed) started() <-chan struct{} {
	if f == nil {
		return nil
	}
	return f.begun
}

// ended receives how the feed has ended; nil never does.
func (f *feed) ended() <-chan error {
	if f == nil {
		return nil
	}
	return f.done
}
