package ingest

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/moqlite/moqlite/api"
	"github.com/moqlite/moqlite/api/media"
	"github.com/moqlite/moqlite/impl/internal/codec"
)

const (
	// maxAudioFrames bounds a group of sound whose packets never pause:
	// browsers hold 1,024 frames of a group.
	maxAudioFrames = 500

	// atHand is how soon after the one before a packet of sound comes that was
	// at hand together with it.
	atHand = 5 * time.Millisecond
)

// A feed writes the packets of one of the source's tracks as groups and frames
// of one of the broadcast's.
type feed struct {
	name    api.TrackName
	video   bool
	sink    api.TrackSink
	encoder encoder
	units   *codec.NAL    // nil: the packets are published as they are, not as samples
	span    time.Duration // of a group of sound
	logger  *slog.Logger

	group  api.GroupWriter // nil: none is open, and pictures wait for a key frame
	begun  time.Duration   // the presentation time of the group's first packet
	frames int             // of the group
	full   bool            // it has enough sound
	last   time.Time       // when the last packet was sent
	frame  []byte          // memory for the frame that is written
}

// write sends a packet, at a time. A group that cannot be written is given up,
// and the next one begins with the next key frame; the error is that of a track
// that has ended.
func (f *feed) write(ctx context.Context, p *media.Packet, now time.Time) error {
	if f.beginsGroup(p) {
		if err := f.openGroup(ctx, p); err != nil {
			return err
		}
	}
	f.last = now
	if f.group == nil {
		return nil
	}
	var err error
	if f.frame, err = f.encoder.append(f.frame[:0], p); err != nil {
		return fmt.Errorf("ingest: track %s: %w", f.name, err)
	}
	if err := f.group.WriteFrame(api.Frame{Timestamp: uint64(microseconds(p.PTS)), Payload: f.frame}); err != nil {
		return f.giveUp(err)
	}
	f.frames++
	f.full = !f.video && p.PTS+2*p.Duration-f.begun > f.span
	return nil
}

// beginsGroup tells whether p begins a group: of pictures, a key frame does.
func (f *feed) beginsGroup(p *media.Packet) bool {
	if f.video {
		return p.Key
	}
	return f.group == nil || f.frames >= maxAudioFrames
}

// ends returns when the open group is to be ended, if it has enough sound. What
// is at hand together with its last packet still goes into it, since readers
// who ask for the newest group alone would miss it; and some time before the
// next one begins, for whose sake its end would be given up.
func (f *feed) ends() (at time.Time, full bool) {
	return f.last.Add(atHand), f.group != nil && f.full
}

// openGroup ends the open group and begins the next one.
func (f *feed) openGroup(ctx context.Context, p *media.Packet) error {
	if err := f.closeGroup(); err != nil {
		return err
	}
	group, err := f.sink.OpenGroup(ctx)
	if err != nil {
		return fmt.Errorf("ingest: track %s: %w", f.name, err)
	}
	f.group, f.begun, f.frames, f.full = group, p.PTS, 0, false
	return nil
}

// closeGroup ends the open group, if there is one.
func (f *feed) closeGroup() error {
	if f.group == nil {
		return nil
	}
	group := f.group
	f.group = nil
	if err := group.Close(); err != nil {
		return f.giveUp(err)
	}
	return nil
}

// giveUp is what follows an error of a group: one that is too large, or was
// evicted, is no reason to end the broadcast.
func (f *feed) giveUp(err error) error {
	f.group = nil
	if f.sink.Context().Err() != nil {
		return fmt.Errorf("ingest: track %s: %w", f.name, err)
	}
	f.logger.Warn("ingest: a group was given up", "track", f.name, "error", err)
	return nil
}

// end ends the track. A group that an error has cut is reset, so that nobody
// takes it for whole.
func (f *feed) end(err error) {
	if f.group != nil && err != nil {
		f.group.Cancel(api.StreamInternal)
		f.group = nil
	}
	_ = f.closeGroup()
	_ = f.sink.Close()
}

// microseconds rounds d, which is not below zero, to whole microseconds.
func microseconds(d time.Duration) time.Duration {
	return (d + time.Microsecond/2) / time.Microsecond
}
