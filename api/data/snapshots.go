package data

import (
	"context"
	"errors"
	"fmt"
	"iter"

	"github.com/moqlite/moqlite/api"
	"github.com/moqlite/moqlite/api/internal/follow"
	"github.com/moqlite/moqlite/api/internal/mergepatch"
)

// Snapshots iterates over the values of a track that a [SnapshotWriter] writes:
// where several have come while the loop's body ran, it yields the newest. Only
// Deflate and MaxFrame of o count; o may be nil. To begin with the newest value
// there is, subscribe with [api.GroupLatest].
//
// It ends without an error when the track ends, after its last value. An error
// is yielded with the zero T. The loop goes on after that of a value which cannot
// be read, with the next that can, and after [api.ErrRestarted], with which a
// session that reconnects (package redial) tells of a new publisher. Any other
// error is the last.
//
// It accepts the groups of r, in a goroutine that ends with the loop; nothing
// else may accept them. It blocks between values until ctx ends, which is an
// error. Leaving the loop does not close r, but drops the group that was being
// read: another loop over r begins with a later group.
func Snapshots[T any](ctx context.Context, r api.TrackReader, o *Options) iter.Seq2[T, error] {
	options := o.settled()
	return func(yield func(T, error) bool) {
		var d decoder[T]
		newReader := func() follow.Reader { return newDocument(options) }
		follow.Documents(ctx, r, newReader, func(text []byte, err error) bool {
			var v T
			if errors.Is(err, follow.ErrEnded) {
				return false
			}
			if err == nil {
				v, err = d.decode(text)
			}
			if err != nil {
				err = fmt.Errorf("snapshot: %w", err)
			}
			return yield(v, err)
		})
	}
}

// newDocument reads the values of a group: a whole one, and patches to it.
func newDocument(o Options) follow.Reader {
	var inflater *inflater
	if o.Deflate {
		inflater = newInflater(o)
	}
	var doc []byte
	return func(payload []byte) (_ []byte, err error) {
		if inflater != nil {
			payload, err = inflater.inflate(payload)
		}
		switch {
		case err != nil:
		case doc == nil:
			doc = append([]byte{}, payload...)
		default:
			doc, err = mergepatch.Apply(doc, payload)
		}
		if err == nil && len(doc) > o.MaxFrame {
			err = o.tooLarge()
		}
		return doc, err
	}
}
