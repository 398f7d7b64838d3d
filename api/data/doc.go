// Package data has typed values in tracks, one way for state and another for
// events. Publishers and readers of the ecosystem (moq-json: moq-rs, @moq/json)
// write and read the same.
//
// A snapshot track holds a value of which the newest counts: a robot's state, a
// price. [SnapshotWriter] writes it whole and then what changes of it, and
// [Snapshots] yields the newest value there is. A log track holds records of
// which all count: a chat, events. [LogWriter] writes them, and [Records] yields
// them in order and tells which are lost.
//
//	state := data.NewSnapshotWriter[State](broadcast.Track("state", api.TrackInfo{}), nil)
//	err := state.Set(ctx, State{Battery: 0.8})
//
//	track, err := session.Subscribe(ctx, path, "state", &api.SubscribeConfig{StartGroup: api.GroupLatest})
//	…
//	for state, err := range data.Snapshots[State](ctx, track, nil) {
//		if err != nil {
//			log.Print(err)
//			continue
//		}
//		fmt.Println(state.Battery)
//	}
//
// Values are encoded and decoded as encoding/json does, so that json.Marshaler,
// json.Unmarshaler and field tags are honoured. What has no type of its own is
// decoded with numbers as [json.Number], so that none loses a digit.
//
// Whether a track is a snapshot or a log, and whether it is compressed, is said
// by the broadcast's catalog (package media, [media.DataTrack]): a publisher
// should name its tracks there, and [OpenSnapshot] and [OpenLog] look there.
package data
