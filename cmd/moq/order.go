package main

import (
	"context"
	"errors"
	"io"
	"slices"
	"sync"
	"time"

	"github.com/moqlite/moqlite/api"
	"github.com/moqlite/moqlite/impl/redial"
)

const (
	// inFlight is how many groups are read at a time, or wait for an earlier
	// one.
	inFlight = 64

	// patience is how long the first groups of a track are waited for when
	// later ones are there already.
	patience = time.Second

	// hearing is how often the track is asked for what it has lost.
	hearing = 250 * time.Millisecond
)

// received is a group that was read, whole or not.
type received struct {
	seq    api.GroupSequence
	frames []api.Frame
	err    error // why it is not whole
}

// read writes the groups of a track out in order. They are read in parallel,
// and those that come early wait, in bounded number, for those before them.
// Where the track begins anew, with other numbers, so does the order.
func read(ctx context.Context, track api.TrackReader, out *sink, start api.GroupSequence, most uint64) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	r := &reorder{
		track: track, out: out, most: most,
		next: start, known: start != api.GroupLatest && start != 0,
		waiting: make(map[api.GroupSequence]received),
		slots:   make(chan struct{}, inFlight),
		groups:  make(chan received),
		anew:    make(chan error),
		ended:   make(chan error, 1),
	}
	go r.accept(ctx)
	return r.run(ctx)
}

// reorder puts groups in order.
type reorder struct {
	track   api.TrackReader
	out     *sink
	most    uint64
	next    api.GroupSequence // to be written
	known   bool              // next is settled
	waiting map[api.GroupSequence]received
	slots   chan struct{}
	groups  chan received
	lost    []api.Gap  // known to be, and not written yet
	anew    chan error // why the numbers that follow are others
	ended   chan error // of accepting; nil at the track's end
	done    uint64
}

// accept reads each group in a goroutine of its own.
func (r *reorder) accept(ctx context.Context) {
	for {
		err := r.acceptGroups(ctx)
		switch {
		case ctx.Err() != nil:
			return
		case errors.Is(err, redial.ErrRestarted):
			select {
			case r.anew <- err:
			case <-ctx.Done():
			}
		case errors.Is(err, io.EOF):
			r.ended <- nil
			return
		default:
			r.ended <- err
			return
		}
	}
}

// acceptGroups returns the first error of accepting, when all groups before it
// have been read.
func (r *reorder) acceptGroups(ctx context.Context) error {
	var reading sync.WaitGroup
	defer reading.Wait()
	for {
		select {
		case r.slots <- struct{}{}:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
		g, err := r.track.AcceptGroup(ctx)
		if err != nil {
			<-r.slots
			return err
		}
		reading.Go(func() {
			select {
			case r.groups <- readGroup(ctx, g):
			case <-ctx.Done():
			}
		})
	}
}

func readGroup(ctx context.Context, g api.GroupReader) received {
	in := received{seq: g.Sequence()}
	for f, err := range api.Frames(ctx, g, nil) {
		if err != nil {
			in.err = err
			break
		}
		in.frames = append(in.frames, api.Frame{Timestamp: f.Timestamp, Payload: append([]byte(nil), f.Payload...)})
	}
	return in
}

func (r *reorder) run(ctx context.Context) error {
	settle := time.NewTimer(patience)
	settle.Stop()
	defer settle.Stop()
	hear := time.NewTicker(hearing)
	defer hear.Stop()
	for {
		select {
		case in := <-r.groups:
			r.waiting[in.seq] = in
			if len(r.waiting) == 1 && !r.known {
				settle.Reset(patience)
			}
		case <-settle.C:
			r.begin()
		case <-hear.C:
			r.hear()
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

// begin settles which group is the first: the least that has come.
func (r *reorder) begin() {
	if least, ok := r.least(); ok && !r.known {
		r.next, r.known = least, true
	}
}

func (r *reorder) least() (least api.GroupSequence, ok bool) {
	for seq := range r.waiting {
		if !ok || seq < least {
			least, ok = seq, true
		}
	}
	return least, ok
}

// hear asks which groups are lost.
func (r *reorder) hear() { r.lost = append(r.lost, r.track.Gaps()...) }

// finish writes what is left when nothing more will come.
func (r *reorder) finish() error {
	r.hear()
	// All there is has come: what is missing from group 0 on is lost if the
	// publisher says so, and else before our time.
	if r.next == 0 && slices.ContainsFunc(r.lost, func(g api.Gap) bool { return g.Start == 0 }) {
		r.known = true
	}
	r.begin()
	if err := r.flush(true); err != nil || r.enough() {
		return err
	}
	for _, g := range r.lost {
		if g.End > r.next {
			if err := r.skip(max(g.Start, r.next), g.End); err != nil {
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
	r.next, r.known, r.lost = 0, false, nil
	return r.out.restart(why)
}

// skip gives up groups.
func (r *reorder) skip(start, end api.GroupSequence) error {
	r.next = end
	return r.out.gap(api.Gap{Start: start, End: end})
}

// flush writes the groups whose turn it is. One that has not come is given up
// when nothing more is awaited, when too many wait for it, or when it is known
// to be lost.
func (r *reorder) flush(all bool) error {
	if _, ok := r.waiting[0]; ok && r.next == 0 {
		r.known = true
	}
	if !r.known {
		return nil
	}
	for !r.enough() {
		if in, ok := r.waiting[r.next]; ok {
			if err := r.write(in); err != nil {
				return err
			}
			continue
		}
		least, waits := r.least()
		if waits && least < r.next { // given up before
			delete(r.waiting, least)
			<-r.slots
			continue
		}
		end, lost := r.lostUntil()
		if !lost && waits && (all || len(r.waiting) >= inFlight) {
			end, lost = least, true
		}
		if !lost {
			return nil
		}
		if err := r.skip(r.next, end); err != nil {
			return err
		}
	}
	return nil
}

// lostUntil is where the groups end that are lost from next on, if that one is.
func (r *reorder) lostUntil() (end api.GroupSequence, lost bool) {
	r.lost = slices.DeleteFunc(r.lost, func(g api.Gap) bool { return g.End <= r.next })
	for _, g := range r.lost {
		if g.Start <= r.next {
			return g.End, true
		}
	}
	return 0, false
}

func (r *reorder) write(in received) error {
	delete(r.waiting, in.seq)
	<-r.slots
	r.next = in.seq + 1
	if in.err != nil {
		return r.out.gap(api.Gap{Start: in.seq, End: in.seq + 1, Err: in.err})
	}
	for i, f := range in.frames {
		if err := r.out.frame(in.seq, uint64(i), f); err != nil {
			return err
		}
	}
	r.out.groups.Add(1)
	r.done++
	return nil
}
