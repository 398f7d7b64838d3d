package relay

import (
	"context"
	"errors"
	"time"

	"github.com/moqlite/moqlite/api"
	"github.com/moqlite/moqlite/impl/internal/age"
)

const (
	// settle is how long after a change of route groups may come in another
	// order.
	settle = time.Second

	// maxAsked is how many groups of one gap are fetched, the newest first, and
	// maxFetching how many of a track at the same time.
	maxAsked    = 32
	maxFetching = 4
)

// lose records the gaps that upstream reports.
func (f *filler) lose(gaps []api.Gap) {
	if len(gaps) == 0 {
		return
	}
	now := time.Now()
	f.mu.Lock()
	for _, g := range gaps {
		f.account.lose(g, now)
	}
	f.mu.Unlock()
	f.changed.Wake()
}

// note records the number of a group that came. The lock is held.
func (f *filler) note(seq api.GroupSequence) {
	now := time.Now()
	due := now.Add(f.patience())
	if now.Before(f.settled) {
		due = f.settled
	}
	before := len(f.account.missing)
	f.account.note(seq, now, due)
	if len(f.account.missing) > before {
		f.changed.Wake()
	}
}

// patience returns how long a group may come after later ones: the max age,
// after which no relay or publisher holds it.
func (f *filler) patience() time.Duration {
	if maxAge := f.track.Info().MaxLatency; maxAge > 0 {
		return maxAge
	}
	return age.DefaultMax
}

// hasten makes all missing groups due at a time, since no feed brings them.
func (f *filler) hasten(at time.Time) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.account.hasten(0, at)
	f.changed.Wake()
}

// priority returns the highest priority of the viewers.
func (f *filler) priority() api.Priority {
	demand, _ := f.track.Demand()
	return demand.Config.Priority
}

// giveUp fetches the missing groups that are due, in the background, and
// reports those that nobody has. It returns when the next ones are due.
func (f *filler) giveUp(now time.Time) (next time.Time) {
	f.mu.Lock()
	gaps, next := f.account.take(now)
	f.mu.Unlock()
	for _, g := range gaps {
		f.asking.Add(1)
		f.working.Go(func() {
			defer f.asking.Done()
			f.recover(g)
		})
	}
	return next
}

// recover fetches the groups of a gap, and reports those that do not come.
func (f *filler) recover(gap api.Gap) {
	ctx, cancel := context.WithTimeout(f.life, recoverWithin)
	defer cancel()
	asked := max(gap.Start, gap.End-min(gap.End, maxAsked))
	f.tell(gap.Start, asked, gap.Err)
	for seq := gap.End; seq > asked; seq-- {
		if !f.again(ctx, seq-1) {
			f.tell(seq-1, seq, gap.Err)
		}
	}
}

// again fetches a group. It reports false if that fails.
func (f *filler) again(ctx context.Context, seq api.GroupSequence) bool {
	src := f.fetch(ctx, seq, 0, nil, false)
	if src == nil {
		return false
	}
	f.take(src)
	return true
}

// fetch fetches a group from a frame on, by the route that feeds the track:
// other routes, even of the same origin, may number the groups quite
// differently. If of is not nil, the route must be of its origin. If the route
// is lost, fetch waits for the next one; with wait, also if the route has not
// got the group.
func (f *filler) fetch(ctx context.Context, seq api.GroupSequence, frame uint64, of *route, wait bool) *source {
	select {
	case f.fetching <- struct{}{}:
		defer func() { <-f.fetching }()
	case <-ctx.Done():
		return nil
	}
	req := api.FetchRequest{Path: f.broadcast.path, Name: f.name, Group: seq, StartFrame: frame, Priority: f.priority()}
	for {
		feeding, changed := f.fedBy()
		var routes []*route
		if feeding != nil && feeding.stands() && (of == nil || sameOrigin(feeding, of)) {
			routes = append(routes, feeding)
		}
		for _, rt := range nearest(routes) {
			if g, err := fetchBy(ctx, rt, req); err == nil {
				return &source{GroupReader: g, route: rt, done: func() {}}
			}
		}
		if !wait && feeding != nil && feeding.session.Context().Err() == nil {
			return nil
		}
		select {
		case <-changed:
		case <-f.over:
			return nil
		case <-ctx.Done():
			return nil
		}
	}
}

// fedBy returns the route by which the track is fed, or was last; changed is
// closed when it is another.
func (f *filler) fedBy() (rt *route, changed <-chan struct{}) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.feeding, f.fed.Changed()
}

// fetchBy fetches by a route. It fails unless the route still stands a moment
// after the answer, since else another publisher may have answered.
func fetchBy(ctx context.Context, rt *route, req api.FetchRequest) (api.GroupReader, error) {
	g, err := askBy(ctx, rt, req)
	if err == nil && !rt.standsFor(ctx, crossing) {
		g.Cancel(api.StreamCancelled)
		return nil, errGone
	}
	return g, err
}

// askBy fetches from the peer of a route. In versions without frame bounds it
// fetches the whole group.
func askBy(ctx context.Context, rt *route, req api.FetchRequest) (api.GroupReader, error) {
	g, err := rt.session.Fetch(ctx, req)
	if req.StartFrame > 0 && errors.Is(err, api.ErrNotSupported) {
		req.StartFrame = 0
		g, err = rt.session.Fetch(ctx, req)
	}
	return g, err
}

// tell reports to viewers that the groups [start, end) will not come, except
// those that have come.
func (f *filler) tell(start, end api.GroupSequence, err error) {
	sink, ok := api.TrackSink(f.track).(api.GapWriter)
	if !ok || start >= end {
		return
	}
	code, _ := groupCode(err)
	_ = sink.WriteGap(api.Gap{Start: start, End: end, Err: &api.StreamError{Code: code}})
}
