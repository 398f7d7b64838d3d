package relay

import "time"

// refusals are the routes that a track does not use, until a time.
type refusals map[*route]time.Time

// add refuses a route for a while.
func (r refusals) add(rt *route, now time.Time, d time.Duration) {
	for other, until := range r {
		if !now.Before(until) || other.session.Context().Err() != nil {
			delete(r, other)
		}
	}
	r[rt] = now.Add(d)
}

// usable are those of routes that are not refused.
func (r refusals) usable(routes []*route, now time.Time) (usable []*route) {
	for _, rt := range routes {
		if !now.Before(r[rt]) {
			usable = append(usable, rt)
		}
	}
	return usable
}
