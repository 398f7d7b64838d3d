package data

import (
	"context"
	"fmt"

	"github.com/moqlite/moqlite/api"
)

// A LogWriter writes records of which all count. All are in one group, a frame
// each, so that a reader can have them from the first one on. Any number of
// goroutines may call its methods.
//
// Who holds the track for readers that come later holds the whole log. Some
// hold no more than so much of a group: browsers (@moq/json) 1,024 records that
// were not read yet, moq-relay and what else is built on moq-rs 8,192 in all.
// For those, a log that goes on is better split into several tracks.
type LogWriter[T any] struct {
	w    writer
	lost error // why the log cannot go on
}

// NewLogWriter returns a writer of a track. The track is to have no other
// writer; o may be nil. Frames have the wall clock as their timestamps, in the
// timescale of sink if it tells one, as a live track does, and in milliseconds
// otherwise.
func NewLogWriter[T any](sink api.TrackSink, o *Options) *LogWriter[T] {
	return &LogWriter[T]{w: newWriter(sink, o)}
}

// Append writes v as the next record. It keeps nothing of v.
//
// ctx bounds how long it waits for other calls. A record that is being written
// is not broken off by it, since that would end the log: then Append blocks as
// [api.GroupWriter].WriteFrame does. After an error of the track, the log cannot
// go on, and every call returns that error. An error of encoding v, or
// [api.ErrFrameTooLarge], has no such effect. After Close it is
// [api.ErrClosed].
func (w *LogWriter[T]) Append(ctx context.Context, v T) error {
	if err := w.append(ctx, v); err != nil {
		return fmt.Errorf("append record: %w", err)
	}
	return nil
}

func (w *LogWriter[T]) append(ctx context.Context, v T) error {
	if err := w.w.begin(ctx); err != nil {
		return err
	}
	defer w.w.end()
	if w.lost != nil {
		return w.lost
	}
	text, err := w.w.encode(v)
	if err != nil {
		return err
	}
	if w.w.group == nil {
		if err := w.w.open(ctx); err != nil {
			return err
		}
	}
	if err := w.w.write(text); err != nil {
		w.lost = fmt.Errorf("the log is broken off: %w", err)
		w.w.group.Cancel(api.ErrorCode(err))
		w.w.group = nil
		return w.lost
	}
	return nil
}

// Close ends the log and the writer, but not the track. It waits for calls of
// Append that are under way. Called again, it does nothing.
func (w *LogWriter[T]) Close() error { return w.w.close() }
