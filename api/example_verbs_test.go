package api_test

import (
	"context"
	"errors"
	"fmt"
	"io"

	"go.uber.org/mock/gomock"

	"github.com/moqlite/moqlite/api"
	"github.com/moqlite/moqlite/impl/moqtest"
	"github.com/moqlite/moqlite/mocks"
)

// A large frame need not be in memory: it is written, and read, while it is on
// its way.
func ExampleGroupReader_nextFrame() {
	ctx := context.Background()
	mux := api.NewTrackMux()
	_ = mux.PublishFunc(ctx, "film", func(w api.TrackWriter) {
		g, err := w.OpenGroup(w.Context())
		if err != nil {
			return
		}
		payload, err := g.StartFrame(api.FrameHeader{Timestamp: 40, Size: 10})
		if err != nil {
			return
		}
		_, _ = io.WriteString(payload, "hello")
		_, _ = io.WriteString(payload, "world")
		_ = g.Close()
	})
	server := moqtest.NewServer(mux)
	defer server.Close()
	session, err := server.Client().Dial(ctx, server.URL, nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	track, err := session.Subscribe(ctx, "film", "video", nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer track.Close()
	group, err := track.AcceptGroup(ctx)
	if err != nil {
		fmt.Println(err)
		return
	}
	for {
		header, payload, err := group.NextFrame()
		if err == io.EOF {
			break
		}
		if err != nil {
			fmt.Println(err)
			return
		}
		first := make([]byte, 5)
		if _, err := io.ReadFull(payload, first); err != nil {
			fmt.Println(err)
			return
		}
		rest, err := io.ReadAll(payload)
		fmt.Printf("%d bytes at %d: %s, %s, %v\n", header.Size, header.Timestamp, first, rest, err)
	}
	// Output: 10 bytes at 40: hello, world, <nil>
}

// A subscriber changes what it wants of a track while it reads; the handler is
// told.
func ExampleTrackReader_update() {
	ctx := context.Background()
	mux := api.NewTrackMux()
	_ = mux.PublishFunc(ctx, "room", func(w api.TrackWriter) {
		for {
			g, err := w.OpenGroup(w.Context())
			if err != nil {
				return
			}
			_ = g.WriteFrame(api.Frame{Payload: fmt.Append(nil, "priority ", w.Request().Config.Priority)})
			_ = g.Close()
			select {
			case <-w.Updated():
			case <-w.Context().Done():
				return
			}
		}
	})
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
	defer track.Close()
	for group, err := range api.Groups(ctx, track) {
		if err != nil {
			fmt.Println(err)
			return
		}
		for frame := range api.Frames(ctx, group, nil) {
			fmt.Printf("%s\n", frame.Payload)
		}
		if group.Sequence() == 1 {
			return
		}
		if err := track.Update(&api.SubscribeConfig{Priority: 20}); err != nil { // the window is in front
			fmt.Println(err)
			return
		}
	}
	// Output:
	// priority 0
	// priority 20
}

// What will not come is a gap. A publisher that leaves groups out says so.
func ExampleTrackReader_gaps() {
	ctx := context.Background()
	mux := api.NewTrackMux()
	_ = mux.PublishFunc(ctx, "room", func(w api.TrackWriter) {
		for seq := range api.GroupSequence(4) {
			if seq == 1 { // the camera was busy
				_ = w.(api.GapWriter).WriteGap(api.Gap{Start: 1, End: 3, Err: api.ErrTooFarBehind})
			}
			if seq == 1 || seq == 2 {
				continue
			}
			g, err := w.OpenGroupAt(w.Context(), seq)
			if err != nil {
				return
			}
			_ = g.Close()
		}
	})
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
	defer track.Close()
	for group, err := range api.Groups(ctx, track) {
		if err != nil {
			fmt.Println(err)
			return
		}
		fmt.Println("group", group.Sequence())
	}
	for _, gap := range track.Gaps() { // asked for at any time; here, at the end
		fmt.Println("lost from", gap.Start, "to below", gap.End, errors.Is(gap.Err, api.ErrTooFarBehind))
	}
	// Unordered output:
	// group 0
	// group 3
	// lost from 1 to below 3 true
}

// The description of a track is asked for without subscribing (moq-lite-05 on).
func ExampleSubscriber_trackInfo() {
	ctx := context.Background()
	mux := api.NewTrackMux()
	_ = mux.Publish(ctx, "room", api.TrackFuncs{
		Info: func(_ context.Context, req api.TrackRequest) (api.TrackInfo, error) {
			if req.Name != "audio" {
				return api.TrackInfo{}, api.ErrNotFound
			}
			return api.TrackInfo{Timescale: 48_000}, nil
		},
	})
	server := moqtest.NewServer(mux)
	defer server.Close()
	session, err := server.Client().Dial(ctx, server.URL, nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	info, err := session.TrackInfo(ctx, "room", "audio")
	fmt.Println(info.Timescale, "a second, for", info.MaxLatency, err)
	_, err = session.TrackInfo(ctx, "room", "video")
	fmt.Println("no video:", errors.Is(err, api.ErrNotFound))
	// Output:
	// 48000 a second, for 5s <nil>
	// no video: true
}

// A server that is about to end asks its peers to leave, and for where to
// (moq-lite-04 on). What is under way goes on until the sessions are closed.
func ExampleSession_goAway() {
	ctx := context.Background()
	server := moqtest.NewUnstartedServer(api.NewTrackMux())
	server.Config.Handler = func(s api.Session) { _ = s.GoAway("https://other.example.com") }
	server.Start()
	defer server.Close()

	session, err := server.Client().Dial(ctx, server.URL, nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	<-session.GoneAway()
	fmt.Println("go to", session.State().GoAway.URI)
	_ = session.Terminate(api.SessionNoError, "")
	<-session.Context().Done()
	fmt.Println(context.Cause(session.Context()))
	// Output:
	// go to https://other.example.com
	// session closed here: no error
}

// An encoder follows what the peer can send, or take in: each report is of now.
// Here, a mock reports.
func ExampleSession_probe() {
	ctx := context.Background()
	ctrl := gomock.NewController(nil)
	session, reports := mocks.NewMockSession(ctrl), mocks.NewMockBitrateReader(ctrl)
	session.EXPECT().Probe(gomock.Any()).Return(reports, nil)
	gomock.InOrder(
		reports.EXPECT().Receive(gomock.Any()).Return(api.Bitrate{BitsPerSecond: 4_000_000}, nil),
		reports.EXPECT().Receive(gomock.Any()).Return(api.Bitrate{BitsPerSecond: 900_000}, nil),
		reports.EXPECT().Receive(gomock.Any()).Return(api.Bitrate{}, io.EOF),
	)
	reports.EXPECT().Close().Return(nil)

	rates, err := session.Probe(ctx)
	if errors.Is(err, api.ErrNotSupported) {
		return // the peer does not tell
	}
	if err != nil {
		fmt.Println(err)
		return
	}
	defer rates.Close()
	for {
		rate, err := rates.Receive(ctx)
		if err != nil {
			break
		}
		if rate.BitsPerSecond < 1_000_000 {
			fmt.Println("the small picture, at", rate.BitsPerSecond)
		} else {
			fmt.Println("the large picture, at", rate.BitsPerSecond)
		}
	}
	// Output:
	// the large picture, at 4000000
	// the small picture, at 900000
}

// A frame that goes to many groups is made for the network once. A live.Track
// does so by itself; this is for handlers that keep their own audience.
func ExampleSharedWriter() {
	ctx := context.Background()
	frame := &api.SharedFrame{Frame: api.Frame{Timestamp: 1, Payload: []byte("to everybody")}}
	mux := api.NewTrackMux()
	_ = mux.PublishFunc(ctx, "room", func(w api.TrackWriter) {
		g, err := w.OpenGroup(w.Context())
		if err != nil {
			return
		}
		if shared, ok := g.(api.SharedWriter); ok {
			_ = shared.WriteSharedFrame(frame)
		} else {
			_ = g.WriteFrame(frame.Frame)
		}
		_ = g.Close()
	})
	server := moqtest.NewServer(mux)
	defer server.Close()
	for range 2 {
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
		group, err := track.AcceptGroup(ctx)
		if err != nil {
			fmt.Println(err)
			return
		}
		for f := range api.Frames(ctx, group, nil) {
			fmt.Printf("%s\n", f.Payload)
		}
	}
	// Output:
	// to everybody
	// to everybody
}

// One handler answers for all paths below its own: here, a broadcast for each
// user, of which nothing is listed.
func ExampleTrackMux_PublishBelow() {
	ctx := context.Background()
	mux := api.NewTrackMux()
	_ = mux.PublishBelow(ctx, "users", api.TrackHandlerFunc(func(w api.TrackWriter) {
		user := w.Request().Path.Rel("users")
		if user != "ann" {
			_ = w.CloseWithError(api.StreamNotFound)
			return
		}
		g, err := w.OpenGroup(w.Context())
		if err != nil {
			return
		}
		_ = g.WriteFrame(api.Frame{Payload: []byte("hello from " + string(user))})
		_ = g.Close()
	}))
	server := moqtest.NewServer(mux)
	defer server.Close()
	session, err := server.Client().Dial(ctx, server.URL, nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	track, err := session.Subscribe(ctx, "users/ann", "status", nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer track.Close()
	group, err := track.AcceptGroup(ctx)
	if err != nil {
		fmt.Println(err)
		return
	}
	for frame := range api.Frames(ctx, group, nil) {
		fmt.Printf("%s\n", frame.Payload)
	}
	// Output: hello from ann
}

// What is read from one place goes on to another, frame by frame while it
// arrives. Both groups are over afterwards, whatever happens.
func ExampleCopyGroup() {
	ctx := context.Background()
	upstream := api.NewTrackMux()
	_ = upstream.PublishFunc(ctx, "room", func(w api.TrackWriter) {
		g, err := w.OpenGroup(w.Context())
		if err != nil {
			return
		}
		_ = g.WriteFrame(api.Frame{Payload: []byte("passed on")})
		_ = g.Close()
	})
	source := moqtest.NewServer(upstream)
	defer source.Close()
	above, err := source.Client().Dial(ctx, source.URL, nil)
	if err != nil {
		fmt.Println(err)
		return
	}

	mux := api.NewTrackMux()
	_ = mux.PublishFunc(ctx, "copy", func(w api.TrackWriter) {
		track, err := above.Subscribe(w.Context(), "room", w.Request().Name, nil)
		if err != nil {
			_ = w.CloseWithError(api.ErrorCode(err))
			return
		}
		defer track.Close()
		for group, err := range api.Groups(w.Context(), track) {
			if err != nil {
				return
			}
			dst, err := w.OpenGroupAt(w.Context(), group.Sequence())
			if err != nil {
				return
			}
			_ = api.CopyGroup(dst, group)
		}
	})
	server := moqtest.NewServer(mux)
	defer server.Close()
	session, err := server.Client().Dial(ctx, server.URL, nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	track, err := session.Subscribe(ctx, "copy", "video", nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer track.Close()
	group, err := track.AcceptGroup(ctx)
	if err != nil {
		fmt.Println(err)
		return
	}
	for frame := range api.Frames(ctx, group, nil) {
		fmt.Printf("%s\n", frame.Payload)
	}
	// Output: passed on
}
