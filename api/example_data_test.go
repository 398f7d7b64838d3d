package api_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/moqlite/moqlite/api"
	"github.com/moqlite/moqlite/api/apitest"
	"github.com/moqlite/moqlite/impl/moqtest"
)

// A broadcast of two tracks; every other name is not found.
func ExampleTracks() {
	ctx := context.Background()
	mux := api.NewTrackMux()
	hello := api.TrackHandlerFunc(func(w api.TrackWriter) {
		_ = api.WriteGroup(w.Context(), w, api.Frame{Payload: fmt.Append(nil, "hello from ", w.Request().Name)})
	})
	_ = mux.Publish(ctx, "robot/7", api.Tracks{"arm": hello, "wheel": hello})
	server := moqtest.NewServer(mux)
	defer server.Close()
	session, err := server.Client().Dial(ctx, server.URL, nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, name := range []api.TrackName{"arm", "leg"} {
		track, err := session.Subscribe(ctx, "robot/7", name, nil)
		if err != nil {
			fmt.Println(err)
			continue
		}
		for group := range api.Groups(ctx, track) {
			for frame := range api.Frames(ctx, group, nil) {
				fmt.Printf("%s\n", frame.Payload)
			}
		}
	}
	// Output:
	// hello from arm
	// subscribe to "leg" in "robot/7": reset by the peer: not found
}

// A reading and its time, in a group of its own.
func ExampleWriteGroup() {
	ctx := context.Background()
	info := api.TrackInfo{Timescale: 1_000_000}
	measured := time.Date(2026, time.May, 1, 12, 0, 0, 250_000, time.UTC)
	track := apitest.NewTrackRecorder(ctx, api.TrackRequest{})

	err := api.WriteGroup(ctx, track, api.Frame{Timestamp: info.Timestamp(measured), Payload: []byte("21.5")})
	if err != nil {
		fmt.Println(err)
	}

	for _, g := range track.Groups() {
		for _, f := range g.Frames() {
			fmt.Printf("%s at %v\n", f.Payload, info.Time(f.Timestamp))
		}
	}
	// Output: 21.5 at 2026-05-01 12:00:00.00025 +0000 UTC
}

// A dashboard follows all devices of a fleet, whenever they come and go.
func ExampleEachBroadcast() {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	mux := api.NewTrackMux()
	for _, device := range []api.BroadcastPath{"fleet/ann", "fleet/bob", "office"} {
		_ = mux.PublishFunc(ctx, device, func(w api.TrackWriter) {
			_ = api.WriteGroup(w.Context(), w, api.Frame{Payload: []byte("is well")})
		})
	}
	server := moqtest.NewServer(mux)
	defer server.Close()
	session, err := server.Client().Dial(ctx, server.URL, nil)
	if err != nil {
		fmt.Println(err)
		return
	}

	var seen sync.WaitGroup
	seen.Add(2)
	go func() {
		seen.Wait()
		cancel() // a real dashboard would go on
	}()
	err = api.EachBroadcast(ctx, session, "fleet", func(ctx context.Context, a api.Announcement) {
		defer seen.Done()
		track, err := session.Subscribe(ctx, a.Path, "state", nil)
		if err != nil {
			fmt.Println(err)
			return
		}
		defer track.Close()
		for group := range api.Groups(ctx, track) {
			for frame := range api.Frames(ctx, group, nil) {
				fmt.Printf("%s %s\n", a.Path, frame.Payload)
			}
		}
	})
	fmt.Println(err)
	// Unordered output:
	// fleet/ann is well
	// fleet/bob is well
	// follow the broadcasts below "fleet": context canceled
}

// Of a track whose newest state alone counts, a reader that is slower than its
// publisher gets what is newest when it is ready, and never what is older.
func ExampleNewest() {
	ctx := context.Background()
	track := apitest.Track(api.TrackInfo{}, nil,
		apitest.Group(4, nil, apitest.Frames("20 °C")...),
		apitest.Group(3, nil, apitest.Frames("19 °C")...), // it has come late
		apitest.Group(5, nil, apitest.Frames("21 °C")...),
	)
	for group, err := range api.Newest(ctx, track) {
		if err != nil {
			fmt.Println(err)
			continue
		}
		for frame := range api.Frames(ctx, group, nil) {
			fmt.Printf("%s\n", frame.Payload)
		}
	}
	// Output: 21 °C
}

// The frames of a log in one loop, with what is missing in its place.
func ExampleFramesOf() {
	ctx := context.Background()
	track := apitest.Track(api.TrackInfo{}, nil,
		apitest.Group(1, nil, apitest.Frames("door opened", "door closed")...),
		apitest.Group(0, &api.StreamError{Code: api.StreamEvicted, Remote: true}, apitest.Frames("started")...),
	)
	for frame, err := range api.FramesOf(ctx, api.Ordered(ctx, track, nil)) {
		if err != nil {
			fmt.Println("missing:", err)
			continue
		}
		fmt.Printf("%s\n", frame.Payload)
	}
	// Output:
	// started
	// missing: reset by the peer: evicted from the cache
	// door opened
	// door closed
}

// Of groups that are written at once, the newest arrives first. Ordered has them
// by number, fetches what is missing, and tells what is lost.
func ExampleOrdered() {
	ctx := context.Background()
	mux := api.NewTrackMux()
	_ = mux.Publish(ctx, "robot/7", api.TrackFuncs{
		Serve: func(w api.TrackWriter) {
			for _, seq := range []api.GroupSequence{4, 1, 0} {
				g, err := w.OpenGroupAt(w.Context(), seq)
				if err != nil {
					return
				}
				_ = g.WriteFrame(api.Frame{Payload: fmt.Append(nil, "step ", seq)})
				_ = g.Close()
			}
		},
		Fetch: func(w api.GroupWriter, req api.FetchRequest) {
			if req.Group != 2 {
				w.Cancel(api.StreamNotFound)
				return
			}
			_ = w.WriteFrame(api.Frame{Payload: []byte("step 2, asked for")})
			_ = w.Close()
		},
	})
	server := moqtest.NewServer(mux)
	defer server.Close()
	session, err := server.Client().Dial(ctx, server.URL, nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	track, err := session.Subscribe(ctx, "robot/7", "log", nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer track.Close()
	fetch := func(ctx context.Context, seq api.GroupSequence) (api.GroupReader, error) {
		return session.Fetch(ctx, api.FetchRequest{Path: "robot/7", Name: "log", Group: seq})
	}
	for group, err := range api.Ordered(ctx, track, &api.OrderedConfig{Fetch: fetch, Patience: 50 * time.Millisecond}) {
		if gap, lost := errors.AsType[*api.GapError](err); lost {
			fmt.Println(gap.End-gap.Start, "missing:", errors.Is(err, api.ErrNotFound))
			continue
		}
		if err != nil {
			fmt.Println(err)
			return
		}
		for frame := range api.Frames(ctx, group, nil) {
			fmt.Printf("%s\n", frame.Payload)
		}
	}
	// Output:
	// step 0
	// step 1
	// step 2, asked for
	// 1 missing: true
	// step 4
}
