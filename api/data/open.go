package data

import (
	"context"
	"fmt"
	"iter"

	"github.com/moqlite/moqlite/api"
	"github.com/moqlite/moqlite/api/media"
)

// OpenSnapshot subscribes to a snapshot track of a broadcast, which may not be
// announced yet, and returns its loop, as that of [Snapshots]. The broadcast's
// catalog says how the track is compressed, and in which broadcast it is.
//
//	states, err := data.OpenSnapshot[State](ctx, session, "robot/7", "state")
//	if err != nil {
//		return err
//	}
//	for state, err := range states {
//		…
//	}
//
// It waits for the broadcast and its catalog until ctx ends. It fails with
// [api.ErrNotFound] if the catalog has no such JSON track, and with
// [api.ErrNotSupported] if the track is of another mode or its compression is
// not known; the other errors are those of [media.Catalogs] and
// [api.SubscribeWhenAnnounced].
//
// ctx bounds the loop too. The loop can be run once; leaving it unsubscribes, as
// does the end of ctx before it has begun.
func OpenSnapshot[T any](ctx context.Context, s api.Subscriber, path api.BroadcastPath, name api.TrackName) (iter.Seq2[T, error], error) {
	track, o, err := open(ctx, s, path, name, "snapshot", &api.SubscribeConfig{StartGroup: api.GroupLatest})
	if err != nil {
		return nil, err
	}
	return once(ctx, track, Snapshots[T](ctx, track, o)), nil
}

// OpenLog is [OpenSnapshot] for a log track, from its first record on. Its loop
// is that of [Records]. Over a session that reconnects, the log goes on where it
// was ([api.SubscribeConfig].Resume).
func OpenLog[T any](ctx context.Context, s api.Subscriber, path api.BroadcastPath, name api.TrackName) (iter.Seq2[T, error], error) {
	track, o, err := open(ctx, s, path, name, "stream", &api.SubscribeConfig{Resume: true})
	if err != nil {
		return nil, err
	}
	return once(ctx, track, Records[T](ctx, track, o)), nil
}

// open subscribes to a track of a mode.
func open(ctx context.Context, s api.Subscriber, path api.BroadcastPath, name api.TrackName, mode string, c *api.SubscribeConfig) (api.TrackReader, *Options, error) {
	failed := func(err error) (api.TrackReader, *Options, error) {
		return nil, nil, fmt.Errorf("open %q of %q: %w", string(name), string(path), err)
	}
	described, err := describe(ctx, s, path, name)
	if err != nil {
		return failed(err)
	}
	if described.Mode != mode {
		return failed(fmt.Errorf("its mode is %q and not %q: %w", described.Mode, mode, api.ErrNotSupported))
	}
	if c := described.Compression; c != "" && c != "deflate" {
		return failed(fmt.Errorf("its compression is %q: %w", c, api.ErrNotSupported))
	}
	if described.Broadcast != "" {
		if path, err = media.ResolveBroadcast(path, described.Broadcast); err != nil {
			return failed(err)
		}
	}
	track, err := api.SubscribeWhenAnnounced(ctx, s, path, name, c)
	if err != nil {
		return failed(err)
	}
	return track, &Options{Deflate: described.Compression == "deflate"}, nil
}

// describe returns what the catalog says of a track.
func describe(ctx context.Context, s api.Subscriber, path api.BroadcastPath, name api.TrackName) (media.DataTrack, error) {
	for catalog, err := range media.Catalogs(ctx, s, path) {
		if err != nil {
			return media.DataTrack{}, err
		}
		if track, ok := catalog.JSON[name]; ok {
			return track, nil
		}
		break
	}
	return media.DataTrack{}, fmt.Errorf("the catalog has no such JSON track: %w", api.ErrNotFound)
}

// once is loop, after which track is closed, or when ctx ends before.
func once[T any](ctx context.Context, track api.TrackReader, loop iter.Seq2[T, error]) iter.Seq2[T, error] {
	begin := context.AfterFunc(ctx, func() { _ = track.Close() })
	return func(yield func(T, error) bool) {
		if !begin() && ctx.Err() != nil {
			var none T
			yield(none, context.Cause(ctx))
			return
		}
		defer track.Close()
		loop(yield)
	}
}
