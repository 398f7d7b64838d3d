package relay

import "time"

// linger keeps a track that has ended in order while somebody reads it, and for
// a while after that if its broadcast can still be had. Then it is forgotten:
// its publisher knows what is to be told of it from now on.
func (f *filler) linger(timer *time.Timer) {
	timer.Reset(idleFor)
	for {
		demand, demandChanged := f.track.Demand()
		routes, routesChanged := f.broadcast.routesNow()
		if demand.Subscribers == 0 && len(routes) == 0 && f.track.CloseIdle() {
			return
		}
		select {
		case <-f.broadcast.relay.life.context().Done():
			return
		case <-demandChanged:
			timer.Reset(idleFor)
		case <-routesChanged:
		case <-timer.C:
			if f.track.CloseIdle() {
				return
			}
			timer.Reset(idleFor)
		}
	}
}
