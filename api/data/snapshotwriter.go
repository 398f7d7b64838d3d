package data

import (
	"bytes"
	"context"
	"fmt"

	"github.com/moqlite/moqlite/api"
	"github.com/moqlite/moqlite/api/internal/mergepatch"
)

// maxPatched is how many frames a group of patches has at most.
const maxPatched = 256

// A SnapshotWriter writes a value of which the newest counts. A group holds the
// whole value, in its first frame, and then what changes of it, each as a JSON
// merge patch (RFC 7396). Any number of goroutines may call its methods.
type SnapshotWriter[T any] struct {
	w writer

	differ mergepatch.Differ
	patch  []byte
	value  []byte // the text that readers have; nil: none, or not for certain
	whole  int    // bytes of the group's whole value
	frames int    // of the group
	deltas int    // bytes of the group's patches
	fits   bool   // value can have patches
}

// NewSnapshotWriter returns a writer of a track. The track is to have no other
// writer; o may be nil. Frames have the wall clock as their timestamps, in the
// timescale of sink if it tells one, as a live track does, and in milliseconds
// otherwise.
func NewSnapshotWriter[T any](sink api.TrackSink, o *Options) *SnapshotWriter[T] {
	return &SnapshotWriter[T]{w: newWriter(sink, o)}
}

// Set writes v, unless it is what was written last: whatever the order of its
// keys, and if its JSON has the same numbers and strings. It keeps nothing of v.
//
// What is written is the whole value in a new group if v is no JSON object, if
// an object in it gets a null or has a key twice, or if the group has had 256
// frames or patches beyond [Options].DeltaRatio; and a patch otherwise. A null
// in a patch takes out a key, so that a field which may be null is better left
// out (omitempty, omitzero).
//
// Set blocks as [api.GroupWriter].WriteFrame does, and while other calls do,
// until ctx ends at the latest. After an error of the track, or ctx's cause,
// readers may or may not get v; the next Set writes its value whole. An error
// of encoding v, or [api.ErrFrameTooLarge], has no such effect. After Close it
// is [api.ErrClosed].
func (w *SnapshotWriter[T]) Set(ctx context.Context, v T) error {
	if err := w.set(ctx, v); err != nil {
		return fmt.Errorf("set snapshot: %w", err)
	}
	return nil
}

func (w *SnapshotWriter[T]) set(ctx context.Context, v T) error {
	if err := w.w.begin(ctx); err != nil {
		return err
	}
	defer w.w.end()
	text, err := w.w.encode(v)
	if err != nil {
		return err
	}
	changes, patched := w.changes(text)
	switch {
	case !changes:
		return nil
	case patched:
		err = w.write(ctx, w.patch)
		if err == nil || ctx.Err() != nil || w.w.sink.Context().Err() != nil {
			return w.written(text, err)
		}
		// The group alone was refused, or is too old: another one may be wanted.
	}
	return w.written(text, w.writeWhole(ctx, text))
}

// changes reports whether text is another value than readers have, and whether
// w.patch says how it differs and may be written.
func (w *SnapshotWriter[T]) changes(text []byte) (changes, patched bool) {
	if w.value == nil {
		return true, false
	}
	if !w.fits {
		return !bytes.Equal(text, w.value), false
	}
	var ok bool
	w.patch, ok = w.differ.Append(w.patch[:0], w.value, text)
	if !ok {
		return !bytes.Equal(text, w.value), false
	}
	fits := w.w.group != nil && w.frames < maxPatched && w.deltas+len(w.patch) <= w.w.options.DeltaRatio*w.whole
	return len(w.patch) > len("{}"), fits
}

// writeWhole writes a value into a group of its own.
func (w *SnapshotWriter[T]) writeWhole(ctx context.Context, text []byte) error {
	_ = w.w.closeGroup() // its readers have all of it, or it has failed
	if err := w.w.open(ctx); err != nil {
		return err
	}
	w.whole, w.frames, w.deltas = len(text), 0, -len(text)
	w.fits = mergepatch.Patchable(text)
	if err := w.write(ctx, text); err != nil {
		return err
	}
	if w.w.options.DeltaRatio < 0 || !w.fits {
		return w.w.closeGroup()
	}
	return nil
}

// write writes a frame. The end of ctx cancels the group.
func (w *SnapshotWriter[T]) write(ctx context.Context, text []byte) error {
	g := w.w.group
	stopped := func() bool { return true }
	if ctx.Done() != nil {
		stopped = context.AfterFunc(ctx, func() { g.Cancel(api.ErrorCode(context.Cause(ctx))) })
	}
	err := w.w.write(text)
	if !stopped() {
		err = context.Cause(ctx)
	}
	if err != nil {
		g.Cancel(api.ErrorCode(err))
		w.w.group = nil
		return err
	}
	w.frames++
	w.deltas += len(text)
	return nil
}

// written keeps what readers have now.
func (w *SnapshotWriter[T]) written(text []byte, err error) error {
	if err != nil {
		w.value = nil
		return err
	}
	w.value = append(w.value[:0], text...)
	return nil
}

// Close ends the open group, and the writer, but not the track. It waits for
// calls of Set that are under way. Called again, it does nothing.
func (w *SnapshotWriter[T]) Close() error { return w.w.close() }
