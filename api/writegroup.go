package api

import (
	"context"
	"fmt"
)

// WriteGroup writes the frames as the track's next group: it opens one, writes
// and closes it. Data that belongs together, and that nobody can use in part,
// goes into one group.
//
//	now := api.Frame{Timestamp: info.Timestamp(time.Now()), Payload: reading}
//	err := api.WriteGroup(ctx, track, now)
//
// It blocks as [GroupWriter].WriteFrame does, until ctx ends at the latest, and
// keeps nothing of the frames. After an error the group is cancelled, with the
// code of the error, and readers may have got a part of it; the error wraps
// that of the sink, or ctx's cause.
func WriteGroup(ctx context.Context, sink TrackSink, frames ...Frame) error {
	g, err := sink.OpenGroup(ctx)
	if err != nil {
		return fmt.Errorf("write group: %w", err)
	}
	stop := context.AfterFunc(ctx, func() { g.Cancel(ErrorCode(context.Cause(ctx))) })
	for i, f := range frames {
		if err = g.WriteFrame(f); err != nil {
			err = fmt.Errorf("write frame %d of %d: %w", i, len(frames), err)
			break
		}
	}
	switch cut := !stop(); {
	case cut:
		err = context.Cause(ctx)
	case err != nil:
		g.Cancel(ErrorCode(err))
	default:
		err = g.Close()
	}
	if err != nil {
		return fmt.Errorf("write group %d: %w", g.Sequence(), err)
	}
	return nil
}
