package redial_test

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/moqlite/moqlite/api"
	"github.com/moqlite/moqlite/impl/live"
	"github.com/moqlite/moqlite/impl/moqtest"
	"github.com/moqlite/moqlite/impl/redial"
)

// A track goes on where it was when the connection is lost.
func Example() {
	ctx := context.Background()
	mux := api.NewTrackMux()
	room := &live.Broadcast{}
	video := room.Track("video", api.TrackInfo{})
	if err := mux.Publish(ctx, "room", room); err != nil {
		panic(err)
	}
	server := moqtest.NewServer(mux)
	defer server.Close()

	dialer := redial.New(server.Client(), redial.Policy{InitialInterval: 10 * time.Millisecond})
	session, err := dialer.Dial(ctx, server.URL, nil)
	if err != nil {
		panic(err)
	}
	defer session.Terminate(api.SessionNoError, "")
	track, err := session.Subscribe(ctx, "room", "video", nil)
	if err != nil {
		panic(err)
	}
	defer track.Close()
	for i := range 3 {
		if i == 2 {
			server.Sever() // as a network does
		}
		group, err := video.OpenGroup(ctx)
		if err != nil {
			panic(err)
		}
		_ = group.WriteFrame(api.Frame{Payload: fmt.Append(nil, "group ", i)})
		_ = group.Close()
		read, err := track.AcceptGroup(ctx)
		if errors.Is(err, api.ErrRestarted) {
			// Where the broadcast comes from was not known yet, or has changed:
			// the numbers that follow may be others.
			read, err = track.AcceptGroup(ctx)
		}
		for err == nil && read.Sequence() < api.GroupSequence(i) {
			read, err = track.AcceptGroup(ctx) // held from before the restart
		}
		if err != nil {
			panic(err)
		}
		var frame api.Frame
		if err := read.ReadFrame(&frame); err != nil {
			panic(err)
		}
		fmt.Printf("%d: %s\n", read.Sequence(), frame.Payload)
	}
	// Output:
	// 0: group 0
	// 1: group 1
	// 2: group 2
}
