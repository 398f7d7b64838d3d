package data

import (
	"context"
	"iter"

	"github.com/moqlite/moqlite/api"
)

// Records iterates over the records of a track that a [LogWriter] writes, each
// once and in order. Only Deflate and MaxFrame of o count; o may be nil.
//
//	track, err := session.Subscribe(ctx, path, "events", &api.SubscribeConfig{Resume: true})
//	…
//	for event, err := range data.Records[Event](ctx, track, nil) {
//		if gap, lost := errors.AsType[*api.GapError](err); lost {
//			log.Printf("records from %d on are lost", gap.Start)
//			continue
//		}
//		…
//	}
//
// Subscribe without a StartGroup to have the log from its beginning, and with
// Resume if the session reconnects (package redial): the log then goes on where
// it was. Without Resume it does too, as far as the group comes again.
//
// It ends without an error when the track ends. An error is yielded with the
// zero T; the loop goes on after these:
//   - a loss, which matches [*api.GapError]. Its Start and End count records,
//     from 0. When a log breaks off, it is not known how many follow: End is
//     then Start+1.
//   - that of a record which cannot be decoded as T. The next one follows.
//   - [api.ErrRestarted], when another log begins: a session that reconnects has
//     found another publisher, or the track has another group. Records count
//     from 0 again.
//
// Any other error is the last.
//
// It accepts the groups of r and reads them; nothing else may. It holds nothing
// beyond the record that is being decoded, but with Deflate 32 KiB: a loop that
// is slow leaves the records in r. It blocks between records until ctx ends,
// which is an error. Leaving the loop does not close r, but cancels the log.
func Records[T any](ctx context.Context, r api.TrackReader, o *Options) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		options := o.settled()
		l := log[T]{r: r, options: options, inflater: newInflater(options), yield: yield}
		for l.readGroup(ctx) {
		}
	}
}
