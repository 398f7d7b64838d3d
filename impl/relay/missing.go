package relay

import (
	"context"
	"errors"
	"time"

	"github.com/moqlite/moqlite/api"
	"github.com/moqlite/moqlite/impl/internal/age"
)

const (
	// reorderMax is how long after a change of route groups may come in another
	// order.
	reorderMax = time.Second

	// maxAsked is how many groups of one gap are fetched, the newest first, and
	// maxFetching how many of a track at the same time.
	maxAsked    = 32
	maxFetching = 4
)

// recordGaps records the gaps that upstream reports.
func (f *filler) recordGaps(gaps []api.Gap) {
	if len(gaps) == 0 {
		return
	}
	now := time.Now()
	f.mu.Lock()
	for _, g := range gaps {
		f.account.makeDue(g, now)
	}
	f.mu.Unlock()
	f.changed.Wake()
}

// noteGroup records the number of a group that came. The lock is held.
func (f *filler) noteGroup(seq api.GroupSequence) {
	now := time.Now()
	due := now.Add(f.reorderWait())
	if now.Before(f.reorderUntil) {
		due = f.reorderUntil
	}
	before, lower := len(f.account.missing), f.account.isLowest(seq)
	f.account.noteArrival(seq, now, due)
	if lower {
		f.lowestAt = now
	}
	if lower || len(f.account.missing) > before {
		f.changed.Wake()
	}
}

// lacksGroups reports whether groups are missing that may still come.
func (f *filler) lacksGroups() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return len(f.account.missing) > 0
}

// reorderWait returns how long a group may come after later ones: the max age,
// after which no relay or publisher holds it.
func (f *filler) reorderWait() time.Duration {
	if maxAge := f.track.Info().MaxLatency; maxAge > 0 {
		return maxAge
	}
	return age.DefaultMax
}

// expireMissingAt makes all missing groups due at a time, since no feed brings
// them.
func (f *filler) expireMissingAt(at time.Time) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.account.dueBy(0, at)
	f.changed.Wake()
}

// viewerPriority returns the highest priority of the viewers.
func (f *filler) viewerPriority() api.Priority {
	demand, _ := f.track.Demand()
	return demand.Config.Priority
}

// giveUpDue fetches the missing groups that are due, in the background, and
// reports those that nobody has. It returns when the next ones are due.
func (f *filler) giveUpDue(now time.Time) (next time.Time) {
	f.mu.Lock()
	gaps, next := f.account.takeDue(now)
	f.mu.Unlock()
	for _, g := range gaps {
		f.asking.Add(1)
		f.working.Go(func() {
			defer f.asking.Done()
			f.recoverGap(g)
		})
	}
	return next
}

// recoverGap fetches the groups of a gap, and reports those that do not come. Those that
// the publisher gave to other subscribers are not there to be fetched.
func (f *filler) recoverGap(gap api.Gap) {
	if errors.Is(gap.Err, api.ErrOtherSubscriber) {
		f.reportGap(gap.Start, gap.End, gap.Err)
		return
	}
	ctx, cancel := context.WithTimeout(f.life, recoverWithin)
	defer cancel()
	asked := max(gap.Start, gap.End-min(gap.End, maxAsked))
	f.reportGap(gap.Start, asked, gap.Err)
	for seq := gap.End; seq > asked; seq-- {
		if !f.refetch(ctx, seq-1) {
			f.reportGap(seq-1, seq, gap.Err)
		}
	}
}

// refetch fetches a group. It reports false if that fails.
func (f *filler) refetch(ctx context.Context, seq api.GroupSequence) bool {
	src := f.fetchGroup(ctx, seq, 0, nil, false)
	if src == nil {
		return false
	}
	f.takeSource(src)
	return true
}

// fetchGroup fetches a group from a frame on, by the route that feeds the track:
// other routes, even of the same origin, may number the groups quite
// differently. If of is not nil, the route must be of its origin. If the route
// is lost, fetch waits for the next one; with wait, also if the route has not
// got the group.
func (f *filler) fetchGroup(ctx context.Context, seq api.GroupSequence, frame uint64, of *route, wait bool) *source {
	select {
	case f.fetching <- struct{}{}:
		defer func() { <-f.fetching }()
	case <-ctx.Done():
		return nil
	}
	req := api.FetchRequest{Path: f.broadcast.path, Name: f.name, Group: seq, StartFrame: frame, Priority: f.viewerPriority()}
	for {
		feeding, changed := f.currentRoute()
		var routes []*route
		if feeding != nil && feeding.isAnnounced() && (of == nil || sameOrigin(feeding, of)) {
			routes = append(routes, feeding)
		}
		for _, rt := range nearestRoutes(routes) {
			if g, err := fetchBy(ctx, rt, req); err == nil {
				return &source{GroupReader: g, route: rt, done: func() {}}
			}
		}
		if !wait && feeding != nil && feeding.session.Context().Err() == nil {
			return nil
		}
		select {
		case <-changed:
		case <-f.upstreamEnded:
			return nil
		case <-ctx.Done():
			return nil
		}
	}
}

// currentRoute returns the route by which the track is fed, or was last; changed is
// closed when it is another.
func (f *filler) currentRoute() (rt *route, changed <-chan struct{}) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.feedRoute, f.feedChanged.Changed()
}

// fetchBy fetches by a route. It fails unless the route still stands a moment
// after the answer, since else another publisher may have answered.
func fetchBy(ctx context.Context, rt *route, req api.FetchRequest) (api.GroupReader, error) {
	g, err := askBy(ctx, rt, req)
	if err == nil && !rt.staysAnnounced(ctx, crossingWait) {
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

// reportGap reports to viewers that the groups [start, end) will not come, except
// those that have come.
func (f *filler) reportGap(start, end api.GroupSequence, err error) {
	sink, ok := api.TrackSink(f.track).(api.GapWriter)
	if !ok || start >= end {
		return
	}
	code, _ := groupCode(err)
	_ = sink.WriteGap(api.Gap{Start: start, End: end, Err: &api.StreamError{Code: code}})
}
