package data_test

import (
	"context"
	"errors"
	"fmt"

	"github.com/moqlite/moqlite/api"
	"github.com/moqlite/moqlite/api/apitest"
	"github.com/moqlite/moqlite/api/data"
	"github.com/moqlite/moqlite/api/media"
	"github.com/moqlite/moqlite/impl/live"
	"github.com/moqlite/moqlite/impl/moqtest"
)

// The first frame of a group is the whole value, and later ones what changes of it.
func ExampleSnapshotWriter() {
	ctx := context.Background()
	type reading struct {
		Celsius float64 `json:"celsius"`
		Place   string  `json:"place"`
	}
	track := apitest.NewTrackRecorder(ctx, api.TrackRequest{})
	w := data.NewSnapshotWriter[reading](track, nil)
	_ = w.Set(ctx, reading{20.5, "cellar"})
	_ = w.Set(ctx, reading{21, "cellar"})
	for _, f := range track.Groups()[0].Frames() {
		fmt.Printf("%s\n", f.Payload)
	}
	// Output:
	// {"celsius":20.5,"place":"cellar"}
	// {"celsius":21}
}

// A robot's log, which its catalog describes, read from the first record on.
func ExampleOpenLog() {
	ctx := context.Background()
	type event struct {
		What string `json:"what"`
	}
	robot := &live.Broadcast{}
	mux := api.NewTrackMux()
	_ = mux.Publish(ctx, "robot/7", robot)
	_ = media.NewCatalogWriter(robot.Track("catalog.json", api.TrackInfo{})).Update(ctx, &media.Catalog{
		JSON: map[api.TrackName]media.DataTrack{"events": {Mode: "stream", Compression: "deflate"}},
	})
	events := robot.Track("events", api.TrackInfo{})
	w := data.NewLogWriter[event](events, &data.Options{Deflate: true})
	_ = w.Append(ctx, event{"started"})
	_ = w.Append(ctx, event{"door opened"})
	_ = errors.Join(w.Close(), events.Close())

	server := moqtest.NewServer(mux)
	defer server.Close()
	session, err := server.Client().Dial(ctx, server.URL, nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	log, err := data.OpenLog[event](ctx, session, "robot/7", "events")
	if err != nil {
		fmt.Println(err)
		return
	}
	for e, err := range log {
		if gap, lost := errors.AsType[*api.GapError](err); lost {
			fmt.Println("records are missing, from", gap.Start, "on")
		} else if err != nil {
			fmt.Println(err)
		} else {
			fmt.Println(e.What)
		}
	}
	// Output:
	// started
	// door opened
}
