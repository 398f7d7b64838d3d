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
	// headPatience is how long to wait for the first group of a track when
	// later ones have arrived.
	headPatience = time.Second

	// hearing is how often the track is asked for lost groups.
	hearing = 250 * time.Millisecond
)

// read writes the groups of a track in order, and each frame as soon as it is
// next. Groups are read in parallel; a limited number of those that arrive
// early wait for earlier ones. When the publisher restarts the track with new
// group numbers, a new order begins.
func read(ctx context.Context, track api.TrackReader, out *sink, start api.GroupSequence, most uint64) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	r := &reorder{
		track: track, out: out, most: most,
		edge:      start == api.GroupLatest,
		waiting:   make(map[api.GroupSequence]*waiting),
		gate:      newGate(),
		arrived:   make(chan arrival),
		anew:      make(chan error),
		restarted: make(chan struct{}, 1),
		ended:     make(chan error, 1),
	}
	if !r.edge {
		r.begin(start)
	}
	go r.accept(ctx)
	return r.run(ctx)
}

// A reorder puts groups in order. Its fields belong to the goroutine of run.
// Other goroutines read groups and send what they have read over arrived.
type reorder struct {
	track     api.TrackReader
	out       *sink
	most      uint64
	next      api.GroupSequence // the group to be written next, if known
	known     bool              // next is known
	edge      bool              // the first group that arrives is the first to write
	begun     bool              // something was written since the start or restart
	waiting   map[api.GroupSequence]*waiting
	gate      *gate
	arrived   chan arrival
	anew      chan error    // tells run that the track has restarted, and why
	restarted chan struct{} // buffered; tells accept that run is ready for the new groups
	ended     chan error    // the result of accepting; nil at the end of the track
	lost      []api.Gap     // known to be lost, not reported yet
	blocked   time.Time     // since when later groups wait for next
	done      uint64        // groups written
}

// run writes what arrives until the track ends.
func (r *reorder) run(ctx context.Context) error {
	hear := time.NewTicker(hearing)
	defer hear.Stop()
	for {
		select {
		case in := <-r.arrived:
			r.keep(in)
		case <-hear.C:
			if err := r.hear(); err != nil {
				return err
			}
			r.settle()
		case err := <-r.anew:
			if err := r.restart(err); err != nil {
				return err
			}
		case err := <-r.ended:
			if failed := r.finish(); failed != nil || r.enough() {
				return failed
			}
			return err
		case <-ctx.Done():
			return context.Cause(ctx)
		}
		if err := r.flush(false); err != nil || r.enough() {
			return err
		}
	}
}

func (r *reorder) enough() bool { return r.most > 0 && r.done >= r.most }

// hear asks the track for lost groups. A gap without groups means that the
// track could not record all gaps.
func (r *reorder) hear() error {
	for _, g := range r.track.Gaps() {
		if g.Start < g.End {
			r.lost = append(r.lost, g)
		} else if err := r.out.gap(g); err != nil {
			return err
		}
	}
	return nil
}

// keep stores an arrival, unless its group was given up.
func (r *reorder) keep(in arrival) {
	if !r.known && r.edge {
		r.begin(in.seq)
	}
	if r.known && in.seq < r.next {
		r.gate.release(len(in.frame.Payload))
		if in.ended {
			r.gate.leave(1)
		}
		return
	}
	w := r.waiting[in.seq]
	if w == nil {
		w = &waiting{since: time.Now()}
		r.waiting[in.seq] = w
	}
	if !w.keep(in) {
		r.gate.release(len(in.frame.Payload))
	}
}

// settle chooses the first group if the subscription did not: the lowest that
// has arrived, once a group has waited for headPatience.
func (r *reorder) settle() {
	if r.known {
		return
	}
	if least, w := r.least(); w != nil && time.Since(w.since) >= headPatience {
		r.begin(least)
	}
}

func (r *reorder) begin(first api.GroupSequence) {
	r.next, r.known = first, true
	r.gate.turn(first)
}

// least returns the lowest waiting group; w is nil if there is none.
func (r *reorder) least() (least api.GroupSequence, w *waiting) {
	for seq, other := range r.waiting {
		if w == nil || seq < least {
			least, w = seq, other
		}
	}
	return least, w
}

// finish writes what is left, when nothing more will arrive.
func (r *reorder) finish() error {
	if err := r.hear(); err != nil {
		return err
	}
	if least, w := r.least(); w != nil && !r.known {
		r.begin(least)
	}
	if err := r.flush(true); err != nil || r.enough() {
		return err
	}
	for _, g := range r.lost {
		if g.End > r.next {
			if err := r.skip(g); err != nil {
				return err
			}
		}
	}
	return nil
}

// restart writes what is left from before the restart, and begins a new order.
func (r *reorder) restart(why error) error {
	if err := r.finish(); err != nil {
		return err
	}
	r.next, r.known, r.edge, r.begun, r.lost = 0, false, false, false, nil
	r.gate.turn(0)
	r.restarted <- struct{}{}
	return r.out.restart(why)
}

// flush writes the frames that are next in order, and gives up groups that are
// lost or have been waited for too long. all says that nothing more will
// arrive.
func (r *reorder) flush(all bool) error {
	for r.known && !r.enough() {
		w := r.waiting[r.next]
		if err := r.write(w); err != nil {
			return err
		}
		if w.whole() {
			r.out.groups.Add(1)
			r.done++
			r.pass(r.next + 1)
			continue
		}
		gap, lost := r.giveUp(w, all)
		if !lost {
			return nil
		}
		if err := r.skip(gap); err != nil {
			return err
		}
	}
	return nil
}

// write writes the frames of the next group that have arrived.
func (r *reorder) write(w *waiting) error {
	if w == nil {
		return nil
	}
	frames := w.take()
	for i, f := range frames {
		if err := r.out.frame(r.next, w.taken-uint64(len(frames)-i), f); err != nil {
			return err
		}
		r.gate.release(len(f.Payload))
		r.begun = true
	}
	return nil
}

// giveUp decides whether the next group is given up, and returns the gap that
// it begins. w is what has arrived of it.
func (r *reorder) giveUp(w *waiting, all bool) (gap api.Gap, lost bool) {
	if w != nil && w.broken() && (all || !errors.Is(w.err, api.ErrSessionClosed)) {
		return api.Gap{Start: r.next, End: r.next + 1, Err: w.err}, true
	}
	if w != nil && w.reading > 0 {
		return api.Gap{}, false // still being read
	}
	if gap, lost := r.lostNext(); lost {
		return gap, true
	}
	later, some := r.later()
	if !some {
		r.blocked = time.Time{}
		return api.Gap{}, false
	}
	if all || r.waitsInVain() {
		return api.Gap{Start: r.next, End: later, Err: r.whyMissing(w)}, true
	}
	return api.Gap{}, false
}

// lostNext returns the known gap that contains the next group.
func (r *reorder) lostNext() (gap api.Gap, lost bool) {
	r.lost = slices.DeleteFunc(r.lost, func(g api.Gap) bool { return g.End <= r.next })
	for _, g := range r.lost {
		if g.Start <= r.next {
			return g, true
		}
	}
	return api.Gap{}, false
}

// later returns the lowest waiting group after the next one.
func (r *reorder) later() (later api.GroupSequence, some bool) {
	for seq := range r.waiting {
		if seq > r.next && (!some || seq < later) {
			later, some = seq, true
		}
	}
	return later, some
}

// errNotCome is the error for a group that did not arrive while later ones
// did.
var errNotCome = errors.New("it did not come, and later ones did")

// whyMissing returns the error for giving up the next group. w is what has
// arrived of it.
func (r *reorder) whyMissing(w *waiting) error {
	if w != nil && w.err != nil {
		return w.err
	}
	return errNotCome
}

// waitsInVain tells whether the next group is to be given up: the limits of
// the gate are reached, or later groups have waited so long that the publisher
// has given it up as well. Before anything was written the wait is shorter,
// because the group may be from before the subscription; except for a file,
// which needs every group.
func (r *reorder) waitsInVain() bool {
	if r.blocked.IsZero() {
		r.blocked = time.Now()
	}
	patience := askedMaxAge
	if !r.begun && r.out.file == nil {
		patience = headPatience
	}
	return r.gate.full() || time.Since(r.blocked) > patience
}

// skip gives up the groups of g from the next one on.
func (r *reorder) skip(g api.Gap) error {
	g.Start = max(g.Start, r.next)
	r.pass(g.End)
	return r.out.gap(g)
}

// pass makes next the next group, and drops those before it.
func (r *reorder) pass(next api.GroupSequence) {
	r.next, r.blocked, r.begun = next, time.Time{}, true
	r.gate.turn(next)
	for seq, w := range r.waiting {
		if seq < next {
			r.gate.release(w.size())
			r.gate.leave(w.over)
			delete(r.waiting, seq)
		}
	}
}

// awaitRestart tells run that the track has restarted. It waits until run is
// done with the earlier groups, so that none of the new ones is taken for one
// of them.
func (r *reorder) awaitRestart(ctx context.Context, why error) {
	select {
	case r.anew <- why:
	case <-ctx.Done():
		return
	}
	select {
	case <-r.restarted:
	case <-ctx.Done():
	}
}

// accept accepts groups until the track ends, across restarts.
func (r *reorder) accept(ctx context.Context) {
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
