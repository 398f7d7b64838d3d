package relay

import "time"

// refusals are the routes that a track does not use for a while.
type refusals map[*route]refusal

// A refusal lasts until a time. That of a rival also ends when the current feed
// is silent or lost.
type refusal struct {
	until time.Time
	rival bool // of the same publisher as the current feed, but with other numbers
}

// refuseRoute refuses a route for a while.
func (r refusals) refuseRoute(rt *route, now time.Time, d time.Duration) {
	for other, is := range r {
		if !now.Before(is.until) || other.session.Context().Err() != nil {
			delete(r, other)
		}
	}
	r[rt] = refusal{until: now.Add(d)}
}

// markRival marks the refusal of a route of the current feed's publisher, whose
// numbers differ: it lasts only as long as the current feed brings groups.
func (r refusals) markRival(rt *route) {
	is := r[rt]
	is.rival = true
	r[rt] = is
}

// forgiveRivals ends the refusals of rivals: if the current feed is silent or lost,
// theirs may be the numbers with which the publisher has begun anew.
func (r refusals) forgiveRivals() {
	for rt, is := range r {
		if is.rival {
			delete(r, rt)
		}
	}
}

// filterUsable returns those of the routes that are not refused.
func (r refusals) filterUsable(routes []*route, now time.Time) (usable []*route) {
	for _, rt := range routes {
		if !now.Before(r[rt].until) {
			usable = append(usable, rt)
		}
	}
	return usable
}
