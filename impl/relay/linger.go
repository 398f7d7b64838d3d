package relay

import "time"

// linger keeps a track that has ended in order while somebody reads it. Who
// asks for it gets what it holds for idleFor, unless its publisher is gone
// before. After that he is answered from upstream, where the track may have
// begun anew: however often somebody asks, an end is believed for no longer.
func (f *filler) linger(timer *time.Timer) {
	f.believe(timer)
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

// believe returns when the track's end may not be true any more.
func (f *filler) believe(timer *time.Timer) {
	timer.Reset(idleFor)
	for {
		routes, changed := f.broadcast.routesNow()
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
