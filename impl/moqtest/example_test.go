package moqtest_test

import (
	"context"
	"errors"
	"fmt"

	"github.com/moqlite/moqlite/api"
	"github.com/moqlite/moqlite/impl/moqtest"
)

// In a test, this runs in a testing/synctest bubble.
func ExampleServer() {
	ctx := context.Background()
	server := moqtest.NewServer(api.NewTrackMux())
	defer server.Close()
	session, err := server.Client().Dial(ctx, server.URL, nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(session.State().Version, "over", session.State().Transport)
	// Output: moq-lite-06 over memory
}

// The network breaks at a moment that the test chooses.
func ExampleServer_Sever() {
	ctx := context.Background()
	mux := api.NewTrackMux()
	_ = mux.PublishFunc(ctx, "room", func(w api.TrackWriter) { <-w.Context().Done() })
	server := moqtest.NewServer(mux)
	defer server.Close()
	session, err := server.Client().Dial(ctx, server.URL, nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	track, err := session.Subscribe(ctx, "room", "video", nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	server.Sever()
	_, err = track.AcceptGroup(ctx)
	fmt.Println("lost:", errors.Is(err, api.ErrSessionClosed))
	// Output: lost: true
}

// A relay in memory, for tests of both publishers and subscribers.
func ExampleNewRelay() {
	ctx := context.Background()
	relay := moqtest.NewRelay()
	defer relay.Close()
	mux := api.NewTrackMux()
	_ = mux.PublishFunc(ctx, "room", func(api.TrackWriter) {})
	if _, err := relay.Client().Dial(ctx, relay.URL, mux); err != nil {
		fmt.Println(err)
		return
	}
	session, err := relay.Client().Dial(ctx, relay.URL, nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	a, err := api.WaitAnnounced(ctx, session, "room")
	fmt.Println(a.Status, a.Path, err)
	// Output: active room <nil>
}
