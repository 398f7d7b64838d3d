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
	// headPatience is how long the first group of a track is waited for when
	// later ones are there already.
	headPatience = time.Second

	// hearing is how often the track is asked for what it has lost.
	hearing = 250 * time.Millisecond
)

// read writes the groups of a track out in order, each frame as soon as its turn
// has come. Groups are read in parallel, and those that come early wait, in
// bounded number, for those before them. Where the track begins anew, with other
// numbers, so does the order.
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

// A reorder puts groups in order. Its goroutine is the one of run; others read
// groups and bring what they have read.
type reorder struct {
	track     api.TrackReader
	out       *sink
	most      uint64
	next      api.GroupSequence // to be written, if known
	known     bool              // which group is the first
	edge      bool              // the first is whichever comes first
	begun     bool              // something of this numbering has been written
	waiting   map[api.GroupSequence]*waiting
	gate      *gate
	arrived   chan arrival
	anew      chan error    // why the numbers that follow are others
	restarted chan struct{} // buffered 1: these may be read
	ended     chan error    // of accepting; nil at the track's end
	lost      []api.Gap     // known to be lost, and not told yet
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

// hear asks which groups are lost. A gap without a group tells that more are
// than was kept account of.
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

// keep takes in what has arrived, unless its group was given up.
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

// settle decides which group is the first where the subscription does not say:
// the lowest that has come a while after any.
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

// least is the lowest group that waits; nil if none does.
func (r *reorder) least() (least api.GroupSequence, w *waiting) {
	for seq, other := range r.waiting {
		if w == nil || seq < least {
			least, w = seq, other
		}
	}
	return least, w
}

// finish writes what is left when nothing more will come.
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

// restart writes what is left of the numbers before, and begins anew.
func (r *reorder) restart(why error) error {
	if err := r.finish(); err != nil {
		return err
	}
	r.next, r.known, r.edge, r.begun, r.lost = 0, false, false, false, nil
	r.gate.turn(0)
	r.restarted <- struct{}{}
	return r.out.restart(why)
}

// flush writes the frames whose turn it is, and gives up groups that are lost,
// or are waited for in vain. With all, nothing more will come.
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

// write writes those frames of the next group that have arrived.
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

// giveUp tells which groups, from the next one on, will not come: w is what has
// come of the next one.
func (r *reorder) giveUp(w *waiting, all bool) (gap api.Gap, lost bool) {
	if w != nil && w.broken() && (all || !errors.Is(w.err, api.ErrSessionClosed)) {
		return api.Gap{Start: r.next, End: r.next + 1, Err: w.err}, true
	}
	if w != nil && w.reading > 0 {
		return api.Gap{}, false // it is on its way
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

// lostNext is the gap that the next group is in, if it is known to be lost.
func (r *reorder) lostNext() (gap api.Gap, lost bool) {
	r.lost = slices.DeleteFunc(r.lost, func(g api.Gap) bool { return g.End <= r.next })
	for _, g := range r.lost {
		if g.Start <= r.next {
			return g, true
		}
	}
	return api.Gap{}, false
}

// later is the lowest group after the next one that waits.
func (r *reorder) later() (later api.GroupSequence, some bool) {
	for seq := range r.waiting {
		if seq > r.next && (!some || seq < later) {
			later, some = seq, true
		}
	}
	return later, some
}

// errNotCome is why a group is given up of which nothing was heard.
var errNotCome = errors.New("it did not come, and later ones did")

// whyMissing is why the next group is given up of which w has come.
func (r *reorder) whyMissing(w *waiting) error {
	if w != nil && w.err != nil {
		return w.err
	}
	return errNotCome
}

// waitsInVain tells whether too much waits for the next group, or it has been
// waited for so long that its publisher has given it up as well. What was there
// before the subscription is not waited for so long, unless a file needs it.
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

// skip gives up the groups of g whose turn has not been.
func (r *reorder) skip(g api.Gap) error {
	g.Start = max(g.Start, r.next)
	r.pass(g.End)
	return r.out.gap(g)
}

// pass has next be the one whose turn it is, and forgets those before.
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

// awaitRestart returns when no group can be taken for one of the numbers before.
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

// accept reads each group in a goroutine of its own.
func (r *reorder) accept(ctx context.Context) {
	for {
		err := r.acceptGroups(ctx)
		switch {
		case ctx.Err() != nil:
			return
		case errors.Is(err, api.ErrRestarted):
			r.awaitRestart(ctx, err)
		case err == io.EOF: // the end is this value itself
			r.ended <- nil
			return
		default:
			r.ended <- err
			return
		}
	}
}
