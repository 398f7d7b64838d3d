package main

import (
	"context"
	"errors"
	"io"
	"slices"
	"time"

	"github.com/moqlite/moqlite/api"
)

const (
	// firstWait is how long to wait for the first group of a track when
	// later ones have arrived.
	firstWait = time.Second

	// gapInterval is how often the track is asked for lost groups.
	gapInterval = 250 * time.Millisecond
)

// A readRange says which groups of a track are read.
type readRange struct {
	start api.GroupSequence // as in api.SubscribeConfig
	asked bool              // the user has named start: what is missing from there on is lost
	most  uint64            // stop after so many; 0: at the end of the track
}

// read writes the groups of a track in order, and each frame as soon as it is
// next. Groups are read in parallel; a limited number of those that arrive
// early wait for earlier ones. When the publisher restarts the track with new
// group numbers, a new order begins.
//
// What lies before the first group that comes is lost only if the user has asked
// for it, as everybody does who wants a file.
func read(ctx context.Context, track api.TrackReader, out *sink, groups readRange) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	r := &orderedReader{
		track: track, out: out, maxGroups: groups.most,
		atNewest:  groups.start == api.GroupLatest,
		searching: !groups.asked && out.file == nil,
		pending:   make(map[api.GroupSequence]*pendingGroup),
		limiter:   newReadLimiter(),
		arrived:   make(chan arrival),
		restarts:  make(chan error),
		restarted: make(chan struct{}, 1),
		ended:     make(chan error, 1),
	}
	if !r.atNewest {
		r.setFirst(groups.start)
	}
	go r.acceptAll(ctx)
	return r.writeInOrder(ctx)
}

// An orderedReader puts groups in order. Its fields belong to the goroutine of
// writeInOrder. Other goroutines read groups and send what they have read over
// arrived.
type orderedReader struct {
	track     api.TrackReader
	out       *sink
	maxGroups uint64
	next      api.GroupSequence // the group to be written next, if known
	hasNext   bool              // next is known
	atNewest  bool              // the first group that arrives is the first to write
	searching bool              // no group was written, and what is passed over until then is no loss
	written   bool              // something was written or passed over since the start or restart
	pending   map[api.GroupSequence]*pendingGroup
	limiter   *readLimiter
	arrived   chan arrival
	restarts  chan error    // tells writeInOrder that the track has restarted, and why
	restarted chan struct{} // buffered; tells acceptAll that writeInOrder is ready for the new groups
	ended     chan error    // the result of accepting; nil at the end of the track
	lost      []api.Gap     // known to be lost, not reported yet
	blocked   time.Time     // since when later groups wait for next
	done      uint64        // groups written
}

// writeInOrder writes what arrives until the track ends.
func (r *orderedReader) writeInOrder(ctx context.Context) error {
	hear := time.NewTicker(gapInterval)
	defer hear.Stop()
	for {
		select {
		case in := <-r.arrived:
			r.storeArrival(in)
		case <-hear.C:
			if err := r.takeGaps(); err != nil {
				return err
			}
			r.chooseFirst()
		case err := <-r.restarts:
			if err := r.beginAnew(err); err != nil {
				return err
			}
		case err := <-r.ended:
			if failed := r.writeRest(); failed != nil || r.isDone() {
				return failed
			}
			return err
		case <-ctx.Done():
			return context.Cause(ctx)
		}
		// Whatever has happened, frames may have become next in order.
		if err := r.writeReady(false); err != nil || r.isDone() {
			return err
		}
	}
}

// isDone tells whether as many groups were written as were asked for.
func (r *orderedReader) isDone() bool { return r.maxGroups > 0 && r.done >= r.maxGroups }

// takeGaps asks the track for lost groups. A gap without groups means that the
// track could not record all gaps.
func (r *orderedReader) takeGaps() error {
	for _, g := range r.track.Gaps() {
		if g.Start < g.End {
			// A gap is reported when it is its turn, in order with the groups.
			r.lost = append(r.lost, g)
		} else if err := r.out.gap(g); err != nil {
			return err
		}
	}
	return nil
}

// storeArrival stores an arrival, unless its group was given up.
func (r *orderedReader) storeArrival(in arrival) {
	if !r.hasNext && r.atNewest {
		r.setFirst(in.seq)
	}
	if r.hasNext && in.seq < r.next {
		r.limiter.removeBytes(len(in.frame.Payload))
		if in.ended {
			r.limiter.removeGroups(1)
		}
		return
	}
	w := r.pending[in.seq]
	if w == nil {
		w = &pendingGroup{since: time.Now()}
		r.pending[in.seq] = w
	}
	if !w.addArrival(in) {
		r.limiter.removeBytes(len(in.frame.Payload))
	}
}

// chooseFirst chooses the first group if the subscription did not: the lowest
// that has arrived, once a group has waited for firstWait.
func (r *orderedReader) chooseFirst() {
	if r.hasNext {
		return
	}
	if least, w := r.lowestPending(); w != nil && time.Since(w.since) >= firstWait {
		r.setFirst(least)
	}
}

// setFirst makes first the next group to be written.
func (r *orderedReader) setFirst(first api.GroupSequence) {
	r.next, r.hasNext = first, true
	r.limiter.setNext(first)
}

// lowestPending returns the lowest waiting group; w is nil if there is none.
func (r *orderedReader) lowestPending() (least api.GroupSequence, w *pendingGroup) {
	for seq, other := range r.pending {
		if w == nil || seq < least {
			least, w = seq, other
		}
	}
	return least, w
}

// writeRest writes what is left, when nothing more will arrive.
func (r *orderedReader) writeRest() error {
	if err := r.takeGaps(); err != nil {
		return err
	}
	if least, w := r.lowestPending(); w != nil && !r.hasNext {
		r.setFirst(least)
	}
	if err := r.writeReady(true); err != nil || r.isDone() {
		return err
	}
	for _, g := range r.lost {
		if g.End > r.next {
			if err := r.skipGap(g); err != nil {
				return err
			}
		}
	}
	return nil
}

// beginAnew writes what is left from before the restart, and begins a new order.
func (r *orderedReader) beginAnew(why error) error {
	if err := r.writeRest(); err != nil {
		return err
	}
	r.next, r.hasNext, r.atNewest, r.searching, r.written, r.lost = 0, false, false, false, false, nil
	r.limiter.setNext(0)
	r.restarted <- struct{}{}
	return r.out.restart(why)
}

// writeReady writes the frames that are next in order, and gives up groups that
// are lost or have been waited for too long. all says that nothing more will
// arrive.
func (r *orderedReader) writeReady(all bool) error {
	for r.hasNext && !r.isDone() {
		w := r.pending[r.next]
		if err := r.writeFrames(w); err != nil {
			return err
		}
		if w.isComplete() {
			r.begin() // also with a group without frames
			r.out.groups.Add(1)
			r.done++
			r.advance(r.next + 1)
			continue
		}
		gap, lost := r.decideGap(w, all)
		if !lost {
			return nil
		}
		if err := r.skipGap(gap); err != nil {
			return err
		}
	}
	return nil
}

// writeFrames writes the frames of the next group that have arrived.
func (r *orderedReader) writeFrames(w *pendingGroup) error {
	if w == nil {
		return nil
	}
	frames := w.takeFrames()
	if len(frames) > 0 {
		r.begin()
	}
	for i, f := range frames {
		if err := r.out.frame(r.next, w.firstIndex-uint64(len(frames)-i), f); err != nil {
			return err
		}
		r.limiter.removeBytes(len(f.Payload))
		r.written = true
	}
	return nil
}

// begin says with which group the track begins for the user, if that is not the
// first of all and nobody has asked for those before it.
func (r *orderedReader) begin() {
	if r.searching {
		r.out.begins(r.next)
	}
	r.searching = false
}

// decideGap decides whether the next group is given up, and returns the gap that
// it begins. w is what has arrived of it.
func (r *orderedReader) decideGap(w *pendingGroup, all bool) (gap api.Gap, lost bool) {
	if w != nil && w.isBroken() && (all || !errors.Is(w.err, api.ErrSessionClosed)) {
		return api.Gap{Start: r.next, End: r.next + 1, Err: w.err}, true
	}
	if w != nil && w.reading > 0 {
		return api.Gap{}, false // still being read
	}
	if gap, lost := r.gapAtNext(); lost {
		return gap, true
	}
	later, some := r.nextPending()
	if !some {
		r.blocked = time.Time{}
		return api.Gap{}, false
	}
	if all || r.isOverdue() {
		return api.Gap{Start: r.next, End: later, Err: r.whyMissing(w)}, true
	}
	return api.Gap{}, false
}

// gapAtNext returns the known gap that contains the next group.
func (r *orderedReader) gapAtNext() (gap api.Gap, lost bool) {
	r.lost = slices.DeleteFunc(r.lost, func(g api.Gap) bool { return g.End <= r.next })
	for _, g := range r.lost {
		if g.Start <= r.next {
			return g, true
		}
	}
	return api.Gap{}, false
}

// nextPending returns the lowest waiting group after the next one.
func (r *orderedReader) nextPending() (later api.GroupSequence, some bool) {
	for seq := range r.pending {
		if seq > r.next && (!some || seq < later) {
			later, some = seq, true
		}
	}
	return later, some
}

// errMissing is the error for a group that did not arrive while later ones
// did.
var errMissing = errors.New("it did not come, and later ones did")

// whyMissing returns the error for giving up the next group. w is what has
// arrived of it.
func (r *orderedReader) whyMissing(w *pendingGroup) error {
	if w != nil && w.err != nil {
		return w.err
	}
	return errMissing
}

// isOverdue tells whether the next group is to be given up: the limits of the
// readLimiter are reached, or later groups have waited so long that the
// publisher has given it up as well. Before anything was written the wait is
// shorter, because the group may be from before the subscription; except for a
// file, which needs every group.
func (r *orderedReader) isOverdue() bool {
	if r.blocked.IsZero() {
		r.blocked = time.Now()
	}
	patience := askedMaxAge
	if (!r.written || r.searching) && r.out.file == nil {
		patience = firstWait
	}
	return r.limiter.isFull() || time.Since(r.blocked) > patience
}

// skipGap goes on behind the groups of g, and tells that they are lost, unless they are
// other subscribers'.
func (r *orderedReader) skipGap(g api.Gap) error {
	g.Start = max(g.Start, r.next)
	r.advance(g.End)
	if r.searching || errors.Is(g.Err, api.ErrOtherSubscriber) {
		return nil
	}
	return r.out.gap(g)
}

// advance makes next the next group, and drops those before it.
func (r *orderedReader) advance(next api.GroupSequence) {
	r.next, r.blocked, r.written = next, time.Time{}, true
	r.limiter.setNext(next)
	for seq, w := range r.pending {
		if seq < next {
			r.limiter.removeBytes(w.size())
			r.limiter.removeGroups(w.ended)
			delete(r.pending, seq)
		}
	}
}

// awaitRestart tells writeInOrder that the track has restarted. It waits until
// that is done with the earlier groups, so that none of the new ones is taken
// for one of them.
func (r *orderedReader) awaitRestart(ctx context.Context, why error) {
	select {
	case r.restarts <- why:
	case <-ctx.Done():
		return
	}
	select {
	case <-r.restarted:
	case <-ctx.Done():
	}
}

// acceptAll accepts groups until the track ends, across restarts.
func (r *orderedReader) acceptAll(ctx context.Context) {
	for {
		err := r.acceptGroups(ctx)
		switch {
		case ctx.Err() != nil:
			return
		case errors.Is(err, api.ErrRestarted):
			r.awaitRestart(ctx, err)
		case err == io.EOF: // not wrapped
			r.ended <- nil
			return
		default:
			r.ended <- err
			return
		}
	}
}
