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
	// maxGroups is how many groups are read at a time or wait for an earlier
	// one, and maxHeld how many bytes of them may be buffered. When either
	// limit is reached, only the next group in order is read on.
	maxGroups = 1024
	maxHeld   = 64 << 20
)

// An arrival is a frame of a group that was read, or the end of reading the
// group.
type arrival struct {
	seq   api.GroupSequence
	index uint64 // of the frame
	frame api.Frame
	first bool // the first arrival of this reading
	ended bool // no frame: err says why, and is io.EOF at the end of the group
	err   error
}

// acceptGroups accepts groups and reads each in a goroutine. It returns the
// first error of accepting, once the groups before it have been read.
func (r *orderedReader) acceptGroups(ctx context.Context) error {
	var reading sync.WaitGroup
	defer reading.Wait()
	for {
		if err := r.limiter.addGroup(ctx); err != nil {
			return err
		}
		g, err := r.track.AcceptGroup(ctx)
		if err != nil {
			r.limiter.removeGroups(1)
			return err
		}
		reading.Go(func() { r.readGroup(ctx, g) })
	}
}

// readGroup sends the frames of a group, and how it ended, to the goroutine of
// writeInOrder.
func (r *orderedReader) readGroup(ctx context.Context, g api.GroupReader) {
	defer context.AfterFunc(ctx, func() { g.Cancel(api.StreamCancelled) })()
	in := arrival{seq: g.Sequence(), index: g.FirstFrame(), first: true}
	for ; in.err == nil; in.index++ {
		if err := r.limiter.awaitFrame(ctx, in.seq); err != nil {
			g.Cancel(api.StreamCancelled)
			in.err = err
			break
		}
		in.frame = api.Frame{}
		if in.err = g.ReadFrame(&in.frame); in.err != nil {
			break
		}
		r.limiter.addBytes(len(in.frame.Payload))
		if !r.sendArrival(ctx, in) {
			return
		}
		in.first = false
	}
	in.frame, in.ended = api.Frame{}, true
	r.sendArrival(ctx, in)
}

// sendArrival passes in to the goroutine of writeInOrder. It reports false if
// ctx ends first. The channel is unbuffered: what was read and not yet taken is
// counted by the limiter.
func (r *orderedReader) sendArrival(ctx context.Context, in arrival) bool {
	select {
	case r.arrived <- in:
		return true
	case <-ctx.Done():
		return false
	}
}

// A pendingGroup is what has arrived of a group. A group that broke off may be
// read again, by a session that reconnects.
type pendingGroup struct {
	since      time.Time
	frames     []api.Frame // not written yet
	firstIndex uint64      // the index of frames[0]
	reading    int         // readings that are running
	ended      int         // readings that have ended
	complete   bool        // no frames follow
	err        error       // why the last reading broke off
}

// addArrival adds an arrival. It reports false for a frame that is not the next
// one: a frame that has arrived before, or whose predecessor is missing.
func (w *pendingGroup) addArrival(in arrival) bool {
	if in.first {
		w.reading++
	}
	next := w.firstIndex + uint64(len(w.frames))
	switch {
	case in.ended:
		w.reading--
		w.ended++
		w.endReading(in.err, in.index == next)
	case in.index == next:
		w.frames = append(w.frames, in.frame)
	default:
		return false
	}
	return true
}

// errNoBeginning is the error of a group whose first frames are missing.
var errNoBeginning = errors.New("its first frames did not come")

// endReading records how a reading ended. allThere says that no frame before
// the end is missing.
func (w *pendingGroup) endReading(err error, allThere bool) {
	switch {
	case err != io.EOF: // the end is this value itself
		w.err = err
	case allThere:
		w.complete = true
	default:
		w.err = errNoBeginning
	}
}

// size returns the number of bytes in frames.
func (w *pendingGroup) size() (n int) {
	for _, f := range w.frames {
		n += len(f.Payload)
	}
	return n
}

// takeFrames removes and returns the frames.
func (w *pendingGroup) takeFrames() []api.Frame {
	frames := w.frames
	w.firstIndex += uint64(len(frames))
	w.frames = nil
	return frames
}

// isComplete tells whether the whole group has arrived and was taken.
func (w *pendingGroup) isComplete() bool { return w != nil && w.complete && len(w.frames) == 0 }

// isBroken tells whether the group broke off and is not being read again.
func (w *pendingGroup) isBroken() bool { return w.reading == 0 && w.ended > 0 && !w.complete }

// A readLimiter limits how much is read ahead.
//
// The group that is written next is always read on, whatever the others hold:
// else a full buffer of later groups would wait for it for ever.
type readLimiter struct {
	mu      sync.Mutex
	groups  int
	held    int
	next    api.GroupSequence // the group that is written next: it is never blocked
	changed chan struct{}     // closed and replaced when blocked readers should check again
}

// newReadLimiter returns a limiter that has admitted nothing.
func newReadLimiter() *readLimiter { return &readLimiter{changed: make(chan struct{})} }

// wakeAll wakes the goroutines in awaitAllowed. The lock is held.
func (g *readLimiter) wakeAll() {
	close(g.changed)
	g.changed = make(chan struct{})
}

// awaitAllowed waits until may returns true. may is called with the lock held.
func (g *readLimiter) awaitAllowed(ctx context.Context, may func() bool) error {
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

// addGroup waits until another group may be read, and counts it.
func (g *readLimiter) addGroup(ctx context.Context) error {
	return g.awaitAllowed(ctx, func() bool {
		ok := g.groups < maxGroups && g.held < maxHeld
		if ok {
			g.groups++
		}
		return ok
	})
}

// awaitFrame waits until another frame of a group may be read. It returns
// errNotCome if the group was given up.
func (g *readLimiter) awaitFrame(ctx context.Context, seq api.GroupSequence) error {
	var over bool
	err := g.awaitAllowed(ctx, func() bool {
		over = seq < g.next
		return over || g.held < maxHeld || seq == g.next
	})
	if err == nil && over {
		return errMissing
	}
	return err
}

// addBytes counts bytes that were read. It does not wait: who reads a frame has
// waited before, so the limit is exceeded by one frame of each group at most.
func (g *readLimiter) addBytes(n int) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.held += n
}

// removeBytes subtracts n bytes that are no longer buffered.
func (g *readLimiter) removeBytes(n int) {
	g.mu.Lock()
	defer g.mu.Unlock()
	full := g.held >= maxHeld
	g.held -= n
	if full && g.held < maxHeld {
		g.wakeAll()
	}
}

// removeGroups subtracts n groups that are no longer read or waiting.
func (g *readLimiter) removeGroups(n int) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.groups -= n
	g.wakeAll()
}

// setNext sets the group that is written next.
func (g *readLimiter) setNext(next api.GroupSequence) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.next = next
	g.wakeAll()
}

// isFull tells whether a limit is reached.
func (g *readLimiter) isFull() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.groups >= maxGroups || g.held >= maxHeld
}
