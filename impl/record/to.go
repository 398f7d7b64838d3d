package record

import (
	"context"
	"errors"
	"io"

	"github.com/moqlite/moqlite/api"
	"github.com/moqlite/moqlite/api/media"
)

// To records a broadcast into w, which takes whatever tracks choice leads to: it
// is [Open] and [Recording.Copy]. A file that has to know its tracks first is
// made by [ToFunc]. To closes w in any case.
func To(ctx context.Context, s api.Subscriber, path api.BroadcastPath, w media.Writer, choice *Choice) error {
	r, err := Open(ctx, s, path, choice)
	if err != nil {
		return errors.Join(err, w.Close())
	}
	defer r.Close()
	return r.Copy(w)
}

// ToFunc is [To] for a writer that is made when the tracks are known, such as
// fmp4's:
//
//	err := record.ToFunc(ctx, session, path, func(tracks []media.Track) (media.Writer, error) {
//		return fmp4.NewWriter(file, tracks, nil)
//	}, nil)
//
// It returns an error of newWriter as it is.
func ToFunc(ctx context.Context, s api.Subscriber, path api.BroadcastPath, newWriter func([]media.Track) (media.Writer, error), choice *Choice) error {
	r, err := Open(ctx, s, path, choice)
	if err != nil {
		return err
	}
	defer r.Close()
	w, err := newWriter(r.Tracks())
	if err != nil {
		return err
	}
	return r.Copy(w)
}

// Copy writes all packets to w until the recording ends, and closes w in any
// case, so that what was recorded plays. The error is nil at the end of the
// broadcast; otherwise that of the recording, of w, or both.
func (r *Recording) Copy(w media.Writer) error {
	var p media.Packet
	for {
		err := r.ReadPacket(&p)
		if err == nil {
			if err = w.WritePacket(&p); err == nil {
				continue
			}
			// The writer may return its error again.
			if again := w.Close(); again != nil && !errors.Is(again, err) {
				err = errors.Join(err, again)
			}
			return err
		}
		if errors.Is(err, io.EOF) {
			err = nil
		}
		return errors.Join(err, w.Close())
	}
}
