package api

import (
	"context"
	"errors"
	"io"
	"iter"
)

// Announcements iterates over r. It ends quietly at io.EOF and yields any
// other error once, with the zero value.
func Announcements(ctx context.Context, r AnnouncementReader) iter.Seq2[Announcement, error] {
	return sequence(func() (Announcement, error) { return r.Receive(ctx) })
}

// Groups iterates over the groups of r, in order of arrival. It ends quietly
// at io.EOF and yields any other error once, with nil: after [ErrRestarted],
// which a lasting session's track may return any number of times, it goes on,
// and after all others it ends. Each group is the loop's to read or to cancel.
func Groups(ctx context.Context, r TrackReader) iter.Seq2[GroupReader, error] {
	return sequence(func() (GroupReader, error) { return r.AcceptGroup(ctx) })
}

// sequence iterates over what next returns, until its first error that is not
// ErrRestarted.
func sequence[T any](next func() (T, error)) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		for {
			v, err := next()
			if err == io.EOF {
				return
			}
			if err != nil {
				var zero T
				v = zero
			}
			if !yield(v, err) || err != nil && !errors.Is(err, ErrRestarted) {
				return
			}
		}
	}
}

// Frames iterates over the frames of g, each read into buf; nil is a buffer of
// its own. It ends quietly at io.EOF and yields any other error once, with
// nil. The end of ctx, or leaving the loop, cancels g.
func Frames(ctx context.Context, g GroupReader, buf *Frame) iter.Seq2[*Frame, error] {
	return func(yield func(*Frame, error) bool) {
		if buf == nil {
			buf = new(Frame)
		}
		cancel := context.AfterFunc(ctx, func() { g.Cancel(StreamCancelled) })
		defer cancel()
		for {
			err := g.ReadFrame(buf)
			if err == io.EOF {
				return
			}
			if err != nil {
				if ctx.Err() != nil {
					err = context.Cause(ctx)
				}
				yield(nil, err)
				return
			}
			if !yield(buf, nil) {
				g.Cancel(StreamCancelled)
				return
			}
		}
	}
}

// CopyGroup writes the frames of src to dst while they arrive, and ends both:
// dst is closed after the last frame; when either fails, the other is
// cancelled with the code of the error, which is returned.
func CopyGroup(dst GroupWriter, src GroupReader) error {
	if n := src.FirstFrame(); n > 0 {
		if err := dst.SkipFrames(n); err != nil {
			src.Cancel(ErrorCode(err))
			return err
		}
	}
	for {
		h, payload, err := src.NextFrame()
		if err == io.EOF {
			return dst.Close()
		}
		if err != nil {
			dst.Cancel(ErrorCode(err))
			return err
		}
		w, err := dst.StartFrame(h)
		if err == nil {
			_, err = io.Copy(w, payload)
		}
		if err != nil {
			src.Cancel(ErrorCode(err))
			dst.Cancel(ErrorCode(err))
			return err
		}
	}
}
