package data

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"

	"github.com/moqlite/moqlite/api"
)

// errNotWindow is a frame that is none of a window.
var errNotWindow = errors.New("a frame of a window holds records, a push or a pop")

// A WindowEvent is a change of a window: a record that has come, or the oldest
// that have left.
type WindowEvent[T any] struct {
	// Offset is the number of the oldest record that is kept now. Those before
	// have left the window, whether or not they were read.
	Offset uint64

	// Pushed says that the event is a record: the one with the number Index,
	// counted from 0 since the window began. Otherwise only Offset has changed.
	Pushed bool
	Index  uint64 // 0 if none was pushed
	Record T      // the zero T if none was pushed
}

// Window iterates over a track of mode "window": a list whose oldest records
// leave it, as the timeline of an archive is. Only Deflate and MaxFrame of o
// count; o may be nil. Subscribe with [api.GroupLatest]: a group tells all that
// is needed to go on from it.
//
// Each record is yielded once and in order, with those that the window has when
// the loop begins first, and each change of the window's offset, in the event of
// a record where both are told at once.
//
// It ends without an error when the track ends. An error is yielded with the
// zero event; the loop goes on after these:
//   - a loss, which matches [*api.GapError]: its Start and End count records. The
//     publisher has begun a group that does not tell them again, mostly since
//     they have left the window.
//   - that of a record or a frame which cannot be read. If the window cannot go
//     on without the frame, it does with the next group.
//   - [api.ErrRestarted], when a session that reconnects (package redial) has
//     found another publisher: another window begins, and records may have any
//     number.
//
// Any other error is the last.
//
// It accepts the groups of r and reads the newest; nothing else may accept them.
// It blocks between events until ctx ends, which is an error. Leaving the loop
// does not close r, but cancels the group that is being read.
func Window[T any](ctx context.Context, r api.TrackReader, o *Options) iter.Seq2[WindowEvent[T], error] {
	return func(yield func(WindowEvent[T], error) bool) {
		options := o.settled()
		w := windowLoop[T]{options: options, inflater: newInflater(options), yield: yield}
		for g, err := range api.Newest(ctx, r) {
			if errors.Is(err, api.ErrRestarted) {
				w.begun = false
			}
			switch {
			case err != nil && !w.fail(err):
				return
			case err == nil && !w.readGroup(ctx, g):
				return
			}
		}
	}
}

// A windowFrame is any frame of a window.
type windowFrame struct {
	Offset  *uint64           `json:"offset"`
	Start   *uint64           `json:"start"`
	Records []json.RawMessage `json:"records"`
	Push    json.RawMessage   `json:"push"`
	Pop     *uint64           `json:"pop"`
}

// A windowLoop is the state of a loop over a window.
type windowLoop[T any] struct {
	options Options
	yield   func(WindowEvent[T], error) bool

	frames   decoder[windowFrame]
	records  decoder[T]
	inflater *inflater

	begun  bool   // the window is known
	offset uint64 // of the oldest record that is kept, as it was yielded
	next   uint64 // the number of the next record to be yielded
	pushed uint64 // the number of the group's next record

	group api.GroupSequence // that was read last
	read  uint64            // how many frames of it
}

// readGroup reads a group; false if the loop was left, or ctx has ended.
func (w *windowLoop[T]) readGroup(ctx context.Context, g api.GroupReader) bool {
	stop := context.AfterFunc(ctx, func() { g.Cancel(api.StreamCancelled) })
	defer stop()
	first := g.FirstFrame()
	if first > 0 && !(w.begun && g.Sequence() == w.group && first == w.read) {
		g.Cancel(api.StreamCancelled)
		return w.fail(fmt.Errorf("group %d comes from its frame %d on", g.Sequence(), first))
	}
	if first == 0 {
		w.inflater.reset()
	}
	w.group, w.read = g.Sequence(), first
	var frame api.Frame
	for ; ; w.read++ {
		err := g.ReadFrame(&frame)
		_, session := errors.AsType[*api.SessionError](err)
		switch {
		case err == io.EOF || session:
			return true // what follows tells
		case err != nil && ctx.Err() != nil:
			w.fail(context.Cause(ctx))
			return false
		}
		var f windowFrame
		if err == nil {
			f, err = w.decode(frame.Payload, w.read == 0)
		}
		if err != nil {
			g.Cancel(api.StreamCancelled)
			n := w.read
			w.read = 0 // only the group's beginning would help
			return w.fail(fmt.Errorf("frame %d of group %d: %w", n, g.Sequence(), err))
		}
		if !w.apply(&f) {
			g.Cancel(api.StreamCancelled)
			return false
		}
	}
}

// decode decodes a frame.
func (w *windowLoop[T]) decode(payload []byte, first bool) (f windowFrame, err error) {
	if w.options.Deflate {
		if payload, err = w.inflater.inflate(payload); err != nil {
			return f, err
		}
	}
	if len(payload) > w.options.MaxFrame {
		return f, w.options.tooLarge()
	}
	f, err = w.frames.decode(payload)
	if err == nil && (first != (f.Offset != nil) || !first && (f.Push != nil) == (f.Pop != nil)) {
		err = errNotWindow
	}
	return f, err
}

// apply yields what a frame changes; false if the loop was left.
func (w *windowLoop[T]) apply(f *windowFrame) bool {
	switch {
	case f.Offset != nil:
		return w.restate(f)
	case f.Pop != nil:
		return w.moveTo(w.offset + min(*f.Pop, w.pushed-min(w.offset, w.pushed)))
	}
	w.pushed++
	return w.push(w.pushed-1, f.Push)
}

// restate yields what the first frame of a group changes.
func (w *windowLoop[T]) restate(f *windowFrame) bool {
	start := *f.Offset
	if f.Start != nil {
		start = max(start, *f.Start)
	}
	if !w.begun {
		w.begun, w.offset, w.next = true, *f.Offset, *f.Offset
	}
	if start > w.next {
		lost := api.Gap{Start: api.GroupSequence(w.next), End: api.GroupSequence(start)}
		w.next = start
		if !w.fail(&lossError{&api.GapError{Gap: lost}}) {
			return false
		}
	}
	moved := w.offset != *f.Offset
	w.offset = *f.Offset
	w.pushed = start
	told := false
	for _, record := range f.Records {
		w.pushed++
		told = told || w.pushed > w.next
		if !w.push(w.pushed-1, record) {
			return false
		}
	}
	return told || !moved || w.yield(WindowEvent[T]{Offset: w.offset}, nil)
}

// push yields a record, unless it was yielded before.
func (w *windowLoop[T]) push(index uint64, text []byte) bool {
	if index < w.next {
		return true
	}
	w.next = index + 1
	record, err := w.records.decode(text)
	if err != nil {
		return w.fail(fmt.Errorf("record %d: %w", index, err))
	}
	return w.yield(WindowEvent[T]{Offset: w.offset, Pushed: true, Index: index, Record: record}, nil)
}

// moveTo yields another offset.
func (w *windowLoop[T]) moveTo(offset uint64) bool {
	if offset == w.offset {
		return true
	}
	w.offset = offset
	return w.yield(WindowEvent[T]{Offset: offset}, nil)
}

// fail yields an error.
func (w *windowLoop[T]) fail(err error) bool {
	return w.yield(WindowEvent[T]{}, fmt.Errorf("window: %w", err))
}
