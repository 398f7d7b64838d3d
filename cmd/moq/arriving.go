package main

import (
	"context"
	"errors"
	"io"
	"sync"
	"time"

	"github.com/moqlite/moqlite/api"
)

const (
	// maxGroups is how many groups are read at a time, or wait for an earlier
	// one, and maxHeld how many bytes these may be. Beyond either, only the group
	// whose turn it is goes on.
	maxGroups = 1024
	maxHeld   = 64 << 20
)

// An arrival is a frame of a group that was read, or the end of reading it.
type arrival struct {
	seq   api.GroupSequence
	index uint64 // of the frame
	frame api.Frame
	first bool // reading begins
	ended bool // there is no frame; err says why, io.EOF is the group's end
	err   error
}

// acceptGroups returns the first error of accepting, when all groups before it
// have been read.
func (r *reorder) acceptGroups(ctx context.Context) error {
	var reading sync.WaitGroup
	defer reading.Wait()
	for {
		if err := r.gate.enter(ctx); err != nil {
			return err
		}
		g, err := r.track.AcceptGroup(ctx)
		if err != nil {
			r.gate.leave(1)
			return err
		}
		reading.Go(func() { r.readGroup(ctx, g) })
	}
}

// readGroup brings the frames of a group, and how it has ended.
func (r *reorder) readGroup(ctx context.Context, g api.GroupReader) {
	defer context.AfterFunc(ctx, func() { g.Cancel(api.StreamCancelled) })()
	in := arrival{seq: g.Sequence(), index: g.FirstFrame(), first: true}
	for ; in.err == nil; in.index++ {
		if err := r.gate.admit(ctx, in.seq); err != nil {
			g.Cancel(api.StreamCancelled)
			in.err = err
			break
		}
		in.frame = api.Frame{}
		if in.err = g.ReadFrame(&in.frame); in.err != nil {
			break
		}
		r.gate.hold(len(in.frame.Payload))
		if !r.bring(ctx, in) {
			return
		}
		in.first = false
	}
	in.frame, in.ended = api.Frame{}, true
	r.bring(ctx, in)
}

func (r *reorder) bring(ctx context.Context, in arrival) bool {
	select {
	case r.arrived <- in:
		return true
	case <-ctx.Done():
		return false
	}
}

// waiting is what has come of a group. One that broke off may be read again, by
// a lasting session.
type waiting struct {
	since   time.Time
	frames  []api.Frame // not taken yet
	taken   uint64      // the index of the first of these
	reading int         // how often it is being read now
	over    int         // how often it was
	atEnd   bool        // the frames are all there are
	err     error       // why the last reading broke off
}

// keep takes in what was read. It reports false for a frame that is of no use:
// it has come before, or follows one that has not.
func (w *waiting) keep(in arrival) bool {
	if in.first {
		w.reading++
	}
	next := w.taken + uint64(len(w.frames))
	switch {
	case in.ended:
		w.reading--
		w.over++
		w.end(in.err, in.index == next)
	case in.index == next:
		w.frames = append(w.frames, in.frame)
	default:
		return false
	}
	return true
}

// errHeadless is why a group cannot be written of which earlier frames are
// missing.
var errHeadless = errors.New("its first frames did not come")

// end notes how a reading ended, after which all frames are there or not.
func (w *waiting) end(err error, allThere bool) {
	switch {
	case err != io.EOF: // the end is this value itself
		w.err = err
	case allThere:
		w.atEnd = true
	default:
		w.err = errHeadless
	}
}

// size is how many bytes wait.
func (w *waiting) size() (n int) {
	for _, f := range w.frames {
		n += len(f.Payload)
	}
	return n
}

// take returns the frames that have come, in order, and forgets them.
func (w *waiting) take() []api.Frame {
	frames := w.frames
	w.taken += uint64(len(frames))
	w.frames = nil
	return frames
}

// whole tells whether all of the group has come and been taken.
func (w *waiting) whole() bool { return w != nil && w.atEnd && len(w.frames) == 0 }

// broken tells whether the group broke off, and is not read again now.
func (w *waiting) broken() bool { return w.reading == 0 && w.over > 0 && !w.atEnd }

// A gate bounds what is read ahead.
type gate struct {
	mu      sync.Mutex
	groups  int
	held    int
	next    api.GroupSequence // whose turn it is: it may always go on
	changed chan struct{}     // closed and replaced when more may go on
}

func newGate() *gate { return &gate{changed: make(chan struct{})} }

// change has those who wait look again. The lock is held.
func (g *gate) change() {
	close(g.changed)
	g.changed = make(chan struct{})
}

// await waits until may, which is called with the lock held, says true.
func (g *gate) await(ctx context.Context, may func() bool) error {
	for {
		g.mu.Lock()
		ok, changed := may(), g.changed
		g.mu.Unlock()
		if ok {
			return nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// enter waits until one more group may be read.
func (g *gate) enter(ctx context.Context) error {
	return g.await(ctx, func() bool {
		ok := g.groups < maxGroups && g.held < maxHeld
		if ok {
			g.groups++
		}
		return ok
	})
}

// admit waits until one more frame of a group may be read. It fails when the
// group was given up.
func (g *gate) admit(ctx context.Context, seq api.GroupSequence) error {
	var over bool
	err := g.await(ctx, func() bool {
		over = seq < g.next
		return over || g.held < maxHeld || seq == g.next
	})
	if err == nil && over {
		return errNotCome
	}
	return err
}

func (g *gate) hold(n int) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.held += n
}

// release forgets n bytes.
func (g *gate) release(n int) {
	g.mu.Lock()
	defer g.mu.Unlock()
	full := g.held >= maxHeld
	g.held -= n
	if full && g.held < maxHeld {
		g.change()
	}
}

// leave takes off n groups.
func (g *gate) leave(n int) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.groups -= n
	g.change()
}

// turn says whose turn it is.
func (g *gate) turn(next api.GroupSequence) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.next = next
	g.change()
}

// full tells whether nothing more may be read ahead.
func (g *gate) full() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.groups >= maxGroups || g.held >= maxHeld
}
