package api

import (
	"context"
	"iter"
)

// FramesOf iterates over the frames of groups, one group after another: those of
// [Groups], [Ordered] or [Newest], for readers of data to whom it does not matter
// in which group a frame came.
//
//	for frame, err := range api.FramesOf(ctx, api.Ordered(ctx, track, nil)) {
//		if err != nil {
//			log.Print(err) // a gap, a restart, a group that broke off, or the end
//			continue
//		}
//		… // frame.Payload is valid until the next one
//	}
//
// An error is yielded with a nil frame. That of a group, which has lost its
// remaining frames, does not end the loop, nor does one after which groups goes
// on; any other is the last. The loop ends without an error where groups does.
// When ctx ends, it yields ctx's cause and ends, as groups would, but without
// what is still held.
//
// All iterations yield the same Frame, as with [Frames]. Leaving the loop cancels
// the group that is being read, and leaves groups.
func FramesOf(ctx context.Context, groups iter.Seq2[GroupReader, error]) iter.Seq2[*Frame, error] {
	return func(yield func(*Frame, error) bool) {
		buf := new(Frame)
		for g, err := range groups {
			switch {
			case err != nil:
				if !yield(nil, err) {
					return
				}
			case ctx.Err() != nil:
				g.Cancel(StreamCancelled)
				yield(nil, context.Cause(ctx))
				return
			default:
				for f, err := range Frames(ctx, g, buf) {
					if !yield(f, err) || err != nil && ctx.Err() != nil {
						return
					}
				}
			}
		}
	}
}
