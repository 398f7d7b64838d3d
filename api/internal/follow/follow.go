// Package follow follows a document of which the newest version counts: a track
// whose groups each hold it whole in their first frame, and then what changes of
// it.
package follow

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"sync"

	"github.com/moqlite/moqlite/api"
)

// ErrEnded is the end of a followed track.
var ErrEnded = errors.New("the track has ended")

// A DocumentError tells of a version that cannot be read. A later group may have
// one that can.
type DocumentError struct{ Err error }

// Error returns that of Err, which tells the frame too.
func (e *DocumentError) Error() string { return e.Err.Error() }

// Unwrap returns Err.
func (e *DocumentError) Unwrap() error { return e.Err }

// A Reader reads the frames of one group, in order, and returns the document
// after each: JSON text that nobody changes any more.
type Reader func(payload []byte) ([]byte, error)

// Documents yields each version of the document that track holds, or the newest
// where several have come, until yield is false. What it yields is
// the caller's. newReader makes the reader of a group. Of errors, a
// [*DocumentError] and one that matches [api.ErrRestarted] are not the last; the
// last may be [ErrEnded]. When it returns, nothing of it runs any more. It
// does not close track.
func Documents(ctx context.Context, track api.TrackReader, newReader func() Reader, yield func([]byte, error) bool) {
	ctx, leave := context.WithCancel(ctx)
	f := &follower{track: track, newReader: newReader, wake: make(chan struct{}, 1)}
	done := make(chan struct{})
	go func() {
		defer close(done)
		f.follow(ctx)
	}()
	defer func() {
		leave()
		<-done
	}()
	for {
		doc, err := f.next()
		_, unread := err.(*DocumentError)
		goesOn := err == nil || unread || errors.Is(err, api.ErrRestarted)
		if !yield(doc, err) || !goesOn {
			return
		}
	}
}

// A follower reads the newest version of a document that a track holds: a group
// supersedes all older ones. Its first frame is the whole document, and later
// ones are patches to it. What was not asked for yet is replaced by what is
// newer, so that a slow reader costs one document.
type follower struct {
	track     api.TrackReader
	newReader func() Reader
	wake      chan struct{} // holds a value when something has been put

	mu        sync.Mutex
	restarted error   // the newest restart, which is older than version
	version   version // the newest document; nil if there is none
	end       error   // nothing follows

	seq api.GroupSequence // of the newest document that there was
}

// A version is a document, and why the one after it cannot be had.
type version struct {
	doc []byte
	err error
}

// next waits for the next document, restart or end.
func (f *follower) next() ([]byte, error) {
	for {
		if doc, ok, err := f.take(); ok {
			return doc, err
		}
		<-f.wake
	}
}

// take returns what there is for next; false if there is nothing.
func (f *follower) take() (doc []byte, ok bool, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	switch {
	case f.restarted != nil:
		err, f.restarted = f.restarted, nil
	case f.version.doc != nil:
		doc, f.version.doc = bytes.Clone(f.version.doc), nil
	case f.version.err != nil:
		err, f.version.err = f.version.err, nil
	default:
		return nil, f.end != nil, f.end
	}
	return doc, true, err
}

// put changes what next returns.
func (f *follower) put(change func()) {
	f.mu.Lock()
	change()
	f.mu.Unlock()
	select {
	case f.wake <- struct{}{}:
	default:
	}
}

// follow accepts the groups of the track until it ends or ctx does, and reads
// the newest. When it returns, nothing of it runs any more.
func (f *follower) follow(ctx context.Context) {
	var older, newest *followed
	defer func() { older.stop() }()
	for {
		g, err := f.track.AcceptGroup(ctx)
		if err == nil && ctx.Err() != nil {
			g.Cancel(api.StreamCancelled)
			err = context.Cause(ctx)
		}
		switch {
		case err == nil:
			if next := newest.succeeding(g, f.newReader); next != nil {
				older.stop()
				older, newest = newest, next
				newest.start(g, f, older)
			} else {
				g.Cancel(api.StreamCancelled)
			}
			continue
		case errors.Is(err, api.ErrRestarted):
			older.stop()
			newest.stop()
			older, newest = nil, nil
			f.put(func() { f.restarted, f.version, f.seq = err, version{}, 0 })
			continue
		case err == io.EOF:
			err = ErrEnded
			newest.finish(ctx)
		default:
			newest.stop()
		}
		f.put(func() { f.end = err })
		return
	}
}

// A followed is a document while its group is read: a first frame and
// patches. The nil one is that of no group.
type followed struct {
	seq  api.GroupSequence
	read uint64 // frames
	next Reader

	group  api.GroupReader
	done   chan struct{} // closed when the group is not read any more
	broken bool          // a frame could not be applied: only a new group helps
}

// succeeding returns the document that g goes on with; nil if g is of no use. A
// group that broke off with a connection comes again, from the frame on that was
// not read.
func (d *followed) succeeding(g api.GroupReader, newReader func() Reader) *followed {
	first := g.FirstFrame()
	switch {
	case d == nil || g.Sequence() > d.seq:
		if first > 0 {
			return nil
		}
		return &followed{seq: g.Sequence(), next: newReader()}
	case g.Sequence() < d.seq:
		return nil
	}
	d.stop()
	switch {
	case first == 0:
		return &followed{seq: d.seq, next: newReader()}
	case d.broken || first != d.read:
		return nil
	}
	return &followed{seq: d.seq, read: d.read, next: d.next}
}

// start reads g in a goroutine that stop ends. The older group is read until
// this one has its first frame: it may fail before.
func (d *followed) start(g api.GroupReader, f *follower, older *followed) {
	d.group, d.done = g, make(chan struct{})
	go func() {
		defer close(d.done)
		var frame api.Frame
		for {
			err := g.ReadFrame(&frame)
			if err != nil && !errors.Is(err, api.ErrFrameTooLarge) {
				return // its end, or that of the connection: what comes next tells
			}
			v := d.apply(frame.Payload, err)
			f.put(func() {
				switch {
				case d.seq < f.seq:
					return
				case v.err != nil:
					v.doc = f.version.doc // which is not to be lost by what follows
				}
				f.version, f.seq = v, d.seq
			})
			older.cancel()
			if v.err != nil {
				g.Cancel(api.StreamCancelled)
				return
			}
		}
	}()
}

// apply reads a frame, unless that has failed with err.
func (d *followed) apply(payload []byte, err error) version {
	d.read++
	var doc []byte
	if err == nil {
		doc, err = d.next(payload)
	}
	if err != nil {
		d.broken = true
		return version{err: &DocumentError{fmt.Errorf("frame %d of group %d: %w", d.read-1, d.seq, err)}}
	}
	return version{doc: doc}
}

// cancel lets reading the group end.
func (d *followed) cancel() {
	if d != nil {
		d.group.Cancel(api.StreamCancelled)
	}
}

// stop ends reading the group.
func (d *followed) stop() {
	if d != nil {
		d.cancel()
		<-d.done
	}
}

// finish waits until the group is read to its end, or ctx ends.
func (d *followed) finish(ctx context.Context) {
	if d == nil {
		return
	}
	select {
	case <-d.done:
	case <-ctx.Done():
		d.stop()
	}
}
