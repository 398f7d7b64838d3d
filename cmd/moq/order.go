package main

import (
	"context"
	"errors"
	"io"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/moqlite/moqlite/api"
)

const (
	// inFlight is how many groups are read at a time, or wait for an earlier
	// one. When these are as large as heldBytes, no more are begun.
	inFlight  = 1024
	heldBytes = 64 << 20

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
	size   int   // of the frames, in bytes
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
		freed:   make(chan struct{}, 1),
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
	reading atomic.Int64  // groups
	held    atomic.Int64  // bytes of those that are read, or wait
	freed   chan struct{} // buffered 1: held is less
	lost    []api.Gap     // known to be, and not written yet
	blocked time.Time     // since when next is waited for
	anew    chan error    // why the numbers that follow are others
	ended   chan error    // of accepting; nil at the track's end
	done    uint64
}

// accept reads each group in a goroutine of its own.
func (r *reorder) accept(ctx context.Context) {
	for {
		err := r.acceptGroups(ctx)
		switch {
		case ctx.Err() != nil:
			return
		case errors.Is(err, api.ErrRestarted):
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
		if err := r.room(ctx); err != nil {
			return err
		}
		g, err := r.track.AcceptGroup(ctx)
		if err != nil {
			<-r.slots
			return err
		}
		r.reading.Add(1)
		reading.Go(func() {
			select {
			case r.groups <- r.readGroup(ctx, g):
			case <-ctx.Done():
			}
		})
	}
}

// room waits until one more group may be read.
func (r *reorder) room(ctx context.Context) error {
	for r.held.Load() >= heldBytes {
		select {
		case <-r.freed:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
	select {
	case r.slots <- struct{}{}:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

func (r *reorder) readGroup(ctx context.Context, g api.GroupReader) received {
	in := received{seq: g.Sequence()}
	for f, err := range api.Frames(ctx, g, nil) {
		if err != nil {
			in.err = err
			break
		}
		in.size += len(f.Payload)
		r.held.Add(int64(len(f.Payload)))
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
			r.reading.Add(-1)
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
	r.next, r.known, r.lost = 0, false, nil
	return r.out.restart(why)
}

// skip gives up the groups of g whose turn has not been.
func (r *reorder) skip(g api.Gap) error {
	g.Start = max(g.Start, r.next)
	r.next, r.blocked = g.End, time.Time{}
	return r.out.gap(g)
}

// flush writes the groups whose turn it is. One that has not come is given up
// when nothing more is awaited, when it is known to be lost, or when it is
// waited for in vain.
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
			r.release(r.waiting[least])
			continue
		}
		gap, lost := r.lostNext()
		if !lost && waits && (all || r.waitsInVain()) {
			gap, lost = api.Gap{Start: r.next, End: least, Err: errNotCome}, true
		}
		if !lost {
			if !waits {
				r.blocked = time.Time{}
			}
			return nil
		}
		if err := r.skip(gap); err != nil {
			return err
		}
	}
	return nil
}

// errNotCome is why a group is given up of which nothing was heard.
var errNotCome = errors.New("it did not come, and later ones did")

// waitsInVain tells whether too many groups wait for the next one, or it has
// been waited for so long that its publisher has given it up as well.
func (r *reorder) waitsInVain() bool {
	if r.blocked.IsZero() {
		r.blocked = time.Now()
	}
	full := len(r.waiting) >= inFlight || r.held.Load() >= heldBytes && r.reading.Load() == 0
	return full || time.Since(r.blocked) > askedMaxAge
}

// release forgets a group that waited.
func (r *reorder) release(in received) {
	delete(r.waiting, in.seq)
	r.held.Add(-int64(in.size))
	select {
	case r.freed <- struct{}{}:
	default:
	}
	<-r.slots
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

func (r *reorder) write(in received) error {
	r.release(in)
	r.next, r.blocked = in.seq+1, time.Time{}
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
