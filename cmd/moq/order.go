package main

import (
	"context"
	"errors"
	"io"
	"time"

	"github.com/moqlite/moqlite/api"
)

const (
	// inFlight is how many groups are read at a time, or wait for an earlier
	// one.
	inFlight = 64

	// patience is how long the first groups of a track are waited for when
	// later ones are there already.
	patience = time.Second
)

// received is a group that was read, whole or not.
type received struct {
	seq    api.GroupSequence
	frames []api.Frame
	err    error // why it is not whole
}

// read writes the groups of a track out in order. They are read in parallel,
// and those that come early wait, in bounded number, for those before them.
func read(ctx context.Context, track api.TrackReader, out *sink, start api.GroupSequence, most uint64) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	r := &reorder{
		track: track, out: out, most: most,
		next: start, known: start != api.GroupLatest && start != 0,
		waiting: make(map[api.GroupSequence]received),
		slots:   make(chan struct{}, inFlight),
		groups:  make(chan received),
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
	ended   chan error // of accepting; nil at the track's end
	done    uint64
}

// accept reads each group in a goroutine of its own.
func (r *reorder) accept(ctx context.Context) {
	reading := make(chan struct{}, inFlight)
	for {
		select {
		case r.slots <- struct{}{}:
		case <-ctx.Done():
			return
		}
		g, err := r.track.AcceptGroup(ctx)
		if err != nil {
			// Those being read come first.
			for range cap(reading) {
				select {
				case reading <- struct{}{}:
				case <-ctx.Done():
					return
				}
			}
			if errors.Is(err, io.EOF) {
				err = nil
			}
			r.ended <- err
			return
		}
		reading <- struct{}{}
		go func() {
			defer func() { <-reading }()
			select {
			case r.groups <- readGroup(ctx, g):
			case <-ctx.Done():
			}
		}()
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
	for {
		select {
		case in := <-r.groups:
			r.waiting[in.seq] = in
			if len(r.waiting) == 1 && !r.known {
				settle.Reset(patience)
			}
		case <-settle.C:
			r.begin()
		case err := <-r.ended:
			return r.finish(err)
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

// finish writes what is left when the track has ended, or failed with err.
func (r *reorder) finish(err error) error {
	if r.next == 0 && !r.known {
		// All there is has come: what is missing from group 0 on is lost if the
		// publisher says so, and else before our time.
		if gaps := r.track.Gaps(); len(gaps) > 0 && gaps[0].Start == 0 {
			r.known = true
			if err := r.skip(gaps...); err != nil {
				return err
			}
		}
	}
	r.begin()
	if flushErr := r.flush(true); flushErr != nil {
		return flushErr
	}
	if gaps := r.track.Gaps(); err == nil {
		for _, g := range gaps {
			if g.End > r.next {
				if gapErr := r.out.gap(api.Gap{Start: max(g.Start, r.next), End: g.End}); gapErr != nil {
					return gapErr
				}
			}
		}
	}
	if r.enough() {
		return nil
	}
	return err
}

// skip gives up the groups of gaps that lie ahead.
func (r *reorder) skip(gaps ...api.Gap) error {
	for _, g := range gaps {
		if g.Start <= r.next && r.next < g.End {
			if err := r.out.gap(api.Gap{Start: r.next, End: g.End}); err != nil {
				return err
			}
			r.next = g.End
		}
	}
	return nil
}

// flush writes the groups whose turn it is. One that has not come is given up
// when nothing more is awaited, when too many wait for it, or when it is known
// to be lost.
func (r *reorder) flush(all bool) error {
	if r.next == 0 && !r.known && r.waiting[0].seq == 0 {
		if _, ok := r.waiting[0]; ok {
			r.known = true
		}
	}
	if !r.known {
		return nil
	}
	for !r.enough() {
		in, ok := r.waiting[r.next]
		if ok {
			if err := r.write(in); err != nil {
				return err
			}
			continue
		}
		least, any := r.least()
		switch {
		case any && least < r.next: // given up before
			delete(r.waiting, least)
			<-r.slots
		case any && (all || len(r.waiting) >= inFlight):
			if err := r.skip(api.Gap{Start: r.next, End: least}); err != nil {
				return err
			}
		default:
			return nil
		}
	}
	return nil
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
