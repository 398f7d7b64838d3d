package api

import (
	"context"
	"errors"
	"io"
	"iter"
)

// Announcements iterates over the announcements of r. It ends without an error
// at io.EOF. It yields any other error once, with the zero Announcement.
//
//	for a, err := range api.Announcements(ctx, r) {
//		if err != nil {
//			return err
//		}
//		fmt.Println(a.Path, a.Status)
//	}
//
// Leaving the loop does not close r: a later loop goes on where it stopped.
func Announcements(ctx context.Context, r AnnouncementReader) iter.Seq2[Announcement, error] {
	return sequence(func() (Announcement, error) { return r.Receive(ctx) })
}

// Groups iterates over the groups of r, in order of arrival; for that of their
// numbers see [Ordered]. It ends without an
// error at io.EOF. It yields any other error once, with a nil group, and ends,
// except after [ErrRestarted], which a track of a reconnecting session may
// return any number of times: then it goes on. The loop reads each group to its
// end or cancels it.
func Groups(ctx context.Context, r TrackReader) iter.Seq2[GroupReader, error] {
	return sequence(func() (GroupReader, error) { return r.AcceptGroup(ctx) })
}

// sequence iterates over the results of next, until its first error other than
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

// Frames iterates over the frames of g. Each is read into buf; if buf is nil,
// into a buffer of the iterator. It ends without an error at io.EOF, and yields
// any other error once, with nil. The end of ctx, or leaving the loop, cancels
// g. All iterations yield the same Frame: its payload is valid until the next
// one, and a loop that keeps it copies it.
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

// CopyGroup writes the frames of src to dst while they arrive. It closes dst
// after the last frame. If either fails, it cancels the other with the code of
// the error and returns the error. The frames keep their numbers: if src begins
// with a later one than 0, dst skips those before. Neither holds a whole frame
// for it, so a frame of any size goes through, as fast as dst takes it.
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
