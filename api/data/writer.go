package data

import (
	"context"
	"time"

	"github.com/moqlite/moqlite/api"
)

// A writer is what writers of snapshots and of logs have in common.
type writer struct {
	sink    api.TrackSink
	info    api.TrackInfo
	options Options
	turn    chan struct{} // is full while a call works with what is below

	encoder  encoder
	deflater deflater
	group    api.GroupWriter // nil: none is open
	closed   bool
}

func newWriter(sink api.TrackSink, o *Options) writer {
	w := writer{sink: sink, options: o.settled(), turn: make(chan struct{}, 1)}
	if s, ok := sink.(interface{ Info() api.TrackInfo }); ok {
		w.info = s.Info()
	}
	return w
}

// begin waits for the turn of a call, which end then ends.
func (w *writer) begin(ctx context.Context) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	select {
	case w.turn <- struct{}{}:
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	if w.closed {
		w.end()
		return api.ErrClosed
	}
	return nil
}

func (w *writer) end() { <-w.turn }

// encode returns the text of a value, and refuses one that is too large.
func (w *writer) encode(v any) ([]byte, error) {
	text, err := w.encoder.encode(v)
	if err == nil && len(text) > w.options.MaxFrame {
		err = w.options.tooLarge()
	}
	return text, err
}

// open opens the next group.
func (w *writer) open(ctx context.Context) error {
	g, err := w.sink.OpenGroup(ctx)
	if err != nil {
		return err
	}
	w.group = g
	w.deflater.reset()
	return nil
}

// write writes a frame into the open group.
func (w *writer) write(text []byte) error {
	if w.options.Deflate {
		var err error
		if text, err = w.deflater.deflate(text); err != nil {
			return err
		}
	}
	return w.group.WriteFrame(api.Frame{Timestamp: w.info.Timestamp(time.Now()), Payload: text})
}

// closeGroup ends the open group.
func (w *writer) closeGroup() error {
	if w.group == nil {
		return nil
	}
	err := w.group.Close()
	w.group = nil
	return err
}

// close ends the writer.
func (w *writer) close() error {
	w.turn <- struct{}{}
	defer w.end()
	w.closed = true
	return w.closeGroup()
}
