package moqtest_test

import (
	"context"
	"fmt"
	"time"

	"github.com/moqlite/moqlite/api"
	"github.com/moqlite/moqlite/impl/live"
	"github.com/moqlite/moqlite/impl/moqtest"
)

// publish is the function to be tested: it publishes a beat, each second, until
// ctx is done. It takes any dialer: in production that of package redial.
func publish(ctx context.Context, dialer api.Dialer, url string) error {
	var room live.Broadcast
	track := room.Track("time", api.TrackInfo{}) // first, so that nobody asks for it in vain
	mux := api.NewTrackMux()
	if err := mux.Publish(ctx, "room/clock", &room); err != nil {
		return err
	}
	if _, err := dialer.Dial(ctx, url, mux); err != nil {
		return err
	}
	for {
		group, err := track.OpenGroup(ctx)
		if err != nil {
			return err
		}
		_ = group.WriteFrame(api.Frame{Payload: []byte("beat")})
		_ = group.Close()
		select {
		case <-time.After(time.Second):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// A publisher is tested with a relay in memory and a subscriber. A test does the
// same in a testing/synctest bubble, where time is virtual, with t.Context().
func Example_publisher() {
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	relay := moqtest.NewRelay()
	defer relay.Close()
	go publish(ctx, relay.Client(), relay.URL)

	session, err := relay.Client().Dial(ctx, relay.URL, nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	track, err := api.SubscribeWhenAnnounced(ctx, session, "room/clock", "time", nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	group, err := track.AcceptGroup(ctx)
	if err != nil {
		fmt.Println(err)
		return
	}
	var frame api.Frame
	err = group.ReadFrame(&frame)
	fmt.Printf("%s %v\n", frame.Payload, err)
	// Output: beat <nil>
}
