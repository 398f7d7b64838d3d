package relay

import "time"

// keepEnded keeps a track that has ended regularly while somebody reads it. A new
// request gets the groups held for idleFor, unless the publisher is gone
// before. After that, a new request goes upstream, where the track may have
// begun anew: the end is not assumed for longer, however often it is asked for.
// It is not assumed at all if the track was not read from its beginning: a
// publisher that has begun anew may have had lower numbers than were asked for.
func (f *filler) keepEnded(timer *time.Timer) {
	if f.whole {
		f.awaitEndInvalid(timer)
	}
	f.track.Retire()
	for {
		_, changed := f.track.Demand()
		if f.track.CloseIdle() {
			return
		}
		select {
		case <-f.broadcast.relay.life.context().Done():
			return
		case <-changed:
		}
	}
}

// awaitEndInvalid returns when the track's end may not be true any more.
func (f *filler) awaitEndInvalid(timer *time.Timer) {
	timer.Reset(idleFor)
	for {
		routes, _, changed := f.broadcast.ownRoutes()
		if len(routes) == 0 {
			return
		}
		select {
		case <-f.broadcast.relay.life.context().Done():
			return
		case <-timer.C:
			return
		case <-changed:
		}
	}
}
