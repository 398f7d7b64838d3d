package relay

import (
	"context"
	"errors"
	"time"

	"github.com/moqlite/moqlite/api"
	"github.com/moqlite/moqlite/impl/internal/age"
)

const (
	// settle is how long groups may come after later ones when a route was
	// changed.
	settle = time.Second

	// maxAsked is how many groups of one gap are asked for again, the newest
	// first, and maxFetching how many of a track at the same time.
	maxAsked    = 32
	maxFetching = 4
)

// lose takes in what upstream tells to be lost.
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

// note takes in the number of a group that came. The lock is held.
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

// patience is how long a group may come after later ones: then nobody would
// have it any more.
func (f *filler) patience() time.Duration {
	if maxAge := f.track.Info().MaxLatency; maxAge > 0 {
		return maxAge
	}
	return age.DefaultMax
}

// hasten has all that is missing be asked for at a time: no feed brings it.
func (f *filler) hasten(at time.Time) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.account.hasten(at)
	f.changed.Wake()
}

// priority is that of the most urgent viewer.
func (f *filler) priority() api.Priority {
	demand, _ := f.track.Demand()
	return demand.Config.Priority
}

// giveUp asks again for the groups that are due, in the background, and tells
// which of them do not come. It returns when the next are due.
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

// recover asks again for the groups of a gap, and tells those that do not come.
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

// again fetches a group. It reports false if nobody has it.
func (f *filler) again(ctx context.Context, seq api.GroupSequence) bool {
	src := f.fetch(ctx, seq, 0, nil, false)
	if src == nil {
		return false
	}
	f.take(src)
	return true
}

// fetch asks for a group from a frame on, by the route that feeds the track: the
// numbers of others may be quite different ones, even of the same origin. If that
// is lost it waits for the next one, and if it is told to also where the route has
// not got the group. It is not asked for where the feed is of another origin than
// the route of; nil is any.
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
				return &source{GroupReader: g, route: rt, fetched: true, done: func() {}}
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

// fedBy is the route by which the track is fed, or was last; changed is closed when
// it is another.
func (f *filler) fedBy() (rt *route, changed <-chan struct{}) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.feeding, f.fed.Changed()
}

// fetchBy fetches by a route, and fails where it is not known that this has
// answered.
func fetchBy(ctx context.Context, rt *route, req api.FetchRequest) (api.GroupReader, error) {
	g, err := askBy(ctx, rt, req)
	if err == nil && !rt.standsFor(ctx, crossing) {
		g.Cancel(api.StreamCancelled)
		return nil, errGone
	}
	return g, err
}

// askBy fetches from the peer of a route. Frames are not asked for where the
// version has no word for it.
func askBy(ctx context.Context, rt *route, req api.FetchRequest) (api.GroupReader, error) {
	g, err := rt.session.Fetch(ctx, req)
	if req.StartFrame > 0 && errors.Is(err, api.ErrNotSupported) {
		req.StartFrame = 0
		g, err = rt.session.Fetch(ctx, req)
	}
	return g, err
}

// tell tells viewers that the groups [start, end) will not come, unless they
// have.
func (f *filler) tell(start, end api.GroupSequence, err error) {
	sink, ok := api.TrackSink(f.track).(api.GapWriter)
	if !ok || start >= end {
		return
	}
	code, _ := groupCode(err)
	_ = sink.WriteGap(api.Gap{Start: start, End: end, Err: &api.StreamError{Code: code}})
}
