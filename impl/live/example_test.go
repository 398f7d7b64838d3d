package live_test

import (
	"context"
	"fmt"

	"github.com/moqlite/moqlite/api"
	"github.com/moqlite/moqlite/impl/live"
	"github.com/moqlite/moqlite/impl/moqtest"
)

func ExampleBroadcast() {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	var broadcast live.Broadcast
	track := broadcast.Track("video", api.TrackInfo{})
	mux := api.NewTrackMux()
	if err := mux.Publish(ctx, "room/camera", &broadcast); err != nil {
		fmt.Println(err)
		return
	}
	server := moqtest.NewServer(mux)
	defer server.Close()

	// The publisher writes, whether or not anyone listens.
	for i := range uint64(3) {
		group, err := track.OpenGroup(ctx)
		if err != nil {
			fmt.Println(err)
			return
		}
		_ = group.WriteFrame(api.Frame{Timestamp: i * 40, Payload: fmt.Appendf(nil, "picture %d", i)})
		_ = group.Close()
	}
	_ = broadcast.Close()

	// A subscriber that comes late can begin with the newest group.
	session, err := server.Client().Dial(ctx, server.URL, api.NewTrackMux())
	if err != nil {
		fmt.Println(err)
		return
	}
	reader, err := session.Subscribe(ctx, "room/camera", "video", &api.SubscribeConfig{StartGroup: api.GroupLatest})
	if err != nil {
		fmt.Println(err)
		return
	}
	for group, err := range api.Groups(ctx, reader) {
		if err != nil {
			fmt.Println(err)
			return
		}
		for frame, err := range api.Frames(ctx, group, nil) {
			if err != nil {
				fmt.Println(err)
				return
			}
			fmt.Printf("group %d at %d ms: %s\n", group.Sequence(), frame.Timestamp, frame.Payload)
		}
	}
	// Output: group 2 at 80 ms: picture 2
}

func ExampleTrack_Demand() {
	track := live.NewTrack(api.TrackInfo{}, live.Limits{})
	demand, changed := track.Demand()
	if demand.Subscribers == 0 {
		fmt.Println("nothing to fetch from elsewhere yet")
	}
	select {
	case <-changed:
		fmt.Println("somebody has come")
	default:
	}
	// Output: nothing to fetch from elsewhere yet
}
