package relay

import "time"

// refusals are the routes that a track does not use.
type refusals map[*route]refusal

// A refusal lasts until a time, or until the current feed brings nothing any more.
type refusal struct {
	until time.Time
	rival bool // of the same publisher as the current feed, but with other numbers
}

// add refuses a route for a while.
func (r refusals) add(rt *route, now time.Time, d time.Duration) {
	for other, is := range r {
		if !now.Before(is.until) || other.session.Context().Err() != nil {
			delete(r, other)
		}
	}
	r[rt] = refusal{until: now.Add(d)}
}

// markRival has a refusal last only as long as the current feed brings groups,
// which is of the same publisher: one of the two is not what it says.
func (r refusals) markRival(rt *route) {
	is := r[rt]
	is.rival = true
	r[rt] = is
}

// forgive ends the refusals of rivals: if the current feed is silent or lost,
// theirs may be the numbers that the publisher has begun anew with.
func (r refusals) forgive() {
	for rt, is := range r {
		if is.rival {
			delete(r, rt)
		}
	}
}

// usable are those of routes that are not refused.
func (r refusals) usable(routes []*route, now time.Time) (usable []*route) {
	for _, rt := range routes {
		if !now.Before(r[rt].until) {
			usable = append(usable, rt)
		}
	}
	return usable
}
