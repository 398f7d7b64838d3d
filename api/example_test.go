package api_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/moqlite/moqlite/api"
	"github.com/moqlite/moqlite/api/apitest"
	"github.com/moqlite/moqlite/impl"
	"github.com/moqlite/moqlite/impl/moqtest"
	"github.com/moqlite/moqlite/mocks"
	"github.com/moqlite/moqlite/transport"
	"go.uber.org/mock/gomock"
)

// A publisher puts a handler at a path of a mux. It is called once for each
// subscription.
func ExampleTrackMux_PublishFunc() {
	ctx := context.Background()
	mux := api.NewTrackMux()
	err := mux.PublishFunc(ctx, "room/clock", func(w api.TrackWriter) {
		for hour := range 3 {
			g, err := w.OpenGroup(w.Context())
			if err != nil {
				return // the subscriber has left
			}
			_ = g.WriteFrame(api.Frame{Timestamp: uint64(hour), Payload: fmt.Appendf(nil, "%d o'clock", hour)})
			_ = g.Close()
		}
	})
	if err != nil {
		fmt.Println(err)
	}

	server := moqtest.NewServer(mux)
	defer server.Close()
	session, err := server.Client().Dial(ctx, server.URL, nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	track, err := session.Subscribe(ctx, "room/clock", "time", nil)
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
		for frame, err := range api.Frames(ctx, group, nil) {
			if err != nil {
				fmt.Println(err)
				return
			}
			fmt.Printf("group %d: %s\n", group.Sequence(), frame.Payload)
		}
	}
	// Unordered output:
	// group 0: 0 o'clock
	// group 1: 1 o'clock
	// group 2: 2 o'clock
}

// Subscribing tells apart what is not there and what is refused. Hot paths
// read with AcceptGroup and ReadFrame, into one buffer.
func ExampleSubscriber_subscribe() {
	ctx := context.Background()
	mux := api.NewTrackMux()
	_ = mux.Publish(ctx, "room", api.TrackFuncs{
		Info: func(_ context.Context, req api.TrackRequest) (api.TrackInfo, error) {
			if req.Name != "video" {
				return api.TrackInfo{}, api.ErrNotFound
			}
			return api.TrackInfo{Timescale: 90_000, MaxLatency: 10 * time.Second}, nil
		},
		Serve: func(w api.TrackWriter) {
			g, _ := w.OpenGroup(w.Context())
			_ = g.WriteFrame(api.Frame{Timestamp: 90_000, Payload: []byte("key frame")})
			_ = g.Close()
		},
	})
	server := moqtest.NewServer(mux)
	defer server.Close()
	session, err := server.Client().Dial(ctx, server.URL, nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	_, err = session.Subscribe(ctx, "room", "audio", nil)
	fmt.Println("audio is not found:", errors.Is(err, api.ErrNotFound))

	track, err := session.Subscribe(ctx, "room", "video", &api.SubscribeConfig{Priority: 10, MaxLatency: time.Second})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println("units a second:", track.Info().Timescale)
	group, err := track.AcceptGroup(ctx)
	if err != nil {
		fmt.Println(err)
		return
	}
	var frame api.Frame
	for group.ReadFrame(&frame) == nil {
		fmt.Printf("%d: %s\n", frame.Timestamp, frame.Payload)
	}
	_, err = track.AcceptGroup(ctx)
	fmt.Println("the end:", err == io.EOF)
	// Output:
	// audio is not found: true
	// units a second: 90000
	// 90000: key frame
	// the end: true
}

// A fetch reads one group by its number (moq-lite-05 on): a frame that was
// missed, or what came before one joined.
func ExampleSubscriber_fetch() {
	ctx := context.Background()
	mux := api.NewTrackMux()
	_ = mux.Publish(ctx, "room/clock", api.TrackFuncs{Fetch: func(w api.GroupWriter, req api.FetchRequest) {
		if req.Group > 23 {
			w.Cancel(api.StreamNotFound)
			return
		}
		_ = w.WriteFrame(api.Frame{Payload: fmt.Appendf(nil, "%d o'clock", req.Group)})
		_ = w.Close()
	}})
	server := moqtest.NewServer(mux)
	defer server.Close()
	session, err := server.Client().Dial(ctx, server.URL, nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, hour := range []api.GroupSequence{7, 25} {
		group, err := session.Fetch(ctx, api.FetchRequest{Path: "room/clock", Name: "time", Group: hour})
		if errors.Is(err, api.ErrNotFound) {
			fmt.Println("there is no hour", hour)
			continue
		}
		if err != nil {
			fmt.Println(err)
			return
		}
		var frame api.Frame
		for group.ReadFrame(&frame) == nil {
			fmt.Printf("%s\n", frame.Payload)
		}
	}
	// Output:
	// 7 o'clock
	// there is no hour 25
}

// Datagrams are groups of one frame that may get lost (moq-lite-05 on): for
// what is worth nothing a moment later.
func ExampleTrackReader_receiveDatagram() {
	ctx := context.Background()
	mux := api.NewTrackMux()
	_ = mux.PublishFunc(ctx, "robot", func(w api.TrackWriter) {
		_ = w.SendDatagram(api.Datagram{Timestamp: 1, Payload: []byte("x=3 y=4")})
		<-w.Context().Done()
	})
	server := moqtest.NewServer(mux)
	defer server.Close()
	session, err := server.Client().Dial(ctx, server.URL, nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	track, err := session.Subscribe(ctx, "robot", "position", nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer track.Close()
	var d api.Datagram // its memory is used again by the next call
	if err := track.ReceiveDatagram(ctx, &d); err != nil {
		fmt.Println(err)
		return
	}
	fmt.Printf("%d: %s\n", d.Sequence, d.Payload)
	// Output: 0: x=3 y=4
}

// Announcements tell what there is, and what comes and goes.
func ExampleSubscriber_announcements() {
	ctx := context.Background()
	mux := api.NewTrackMux()
	serve := func(api.TrackWriter) {}
	_ = mux.PublishFunc(ctx, "room/1/camera", serve)
	_ = mux.PublishFunc(ctx, "room/2/camera", serve)
	server := moqtest.NewServer(mux)
	defer server.Close()
	session, err := server.Client().Dial(ctx, server.URL, nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	announced, err := session.Announcements(ctx, "room/1")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer announced.Close()

	live, withdraw := context.WithCancel(ctx)
	defer withdraw()
	for a, err := range api.Announcements(ctx, announced) {
		if err != nil {
			fmt.Println(err)
			return
		}
		fmt.Printf("%s %q\n", a.Status, a.Path)
		switch a.Status {
		case api.AnnouncementsComplete:
			_ = mux.PublishFunc(live, "room/1/screen", serve)
		case api.AnnouncementActive:
			if a.Path == "room/1/screen" {
				withdraw()
			}
		case api.AnnouncementEnded:
			_ = announced.Close()
			return
		}
	}
	// Output:
	// active "room/1/camera"
	// complete ""
	// active "room/1/screen"
	// ended "room/1/screen"
}

// A subscriber may be there before the publisher, which here answers for all
// cameras of a room by one announcement.
func ExampleSubscribeWhenAnnounced() {
	ctx := context.Background()
	mux := api.NewTrackMux()
	server := moqtest.NewServer(mux)
	defer server.Close()
	session, err := server.Client().Dial(ctx, server.URL, nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	time.AfterFunc(10*time.Millisecond, func() {
		_ = mux.PublishBelow(ctx, "room", api.TrackHandlerFunc(func(w api.TrackWriter) {
			if g, err := w.OpenGroup(w.Context()); err == nil {
				_ = g.WriteFrame(api.Frame{Payload: []byte(w.Request().Path)})
				_ = g.Close()
			}
		}))
	})
	within, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	track, err := api.SubscribeWhenAnnounced(within, session, "room/north", "video", nil)
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
	}
	// Output: room/north
}

// WaitAnnounced returns at once where the broadcast is announced already.
func ExampleWaitAnnounced() {
	ctx := context.Background()
	mux := api.NewTrackMux()
	_ = mux.PublishFunc(ctx, "room/1", func(api.TrackWriter) {})
	server := moqtest.NewServer(mux)
	defer server.Close()
	session, err := server.Client().Dial(ctx, server.URL, nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	a, err := api.WaitAnnounced(ctx, session, "room/1")
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Printf("%s is %v\n", a.Path, a.Status)
	// Output: room/1 is active
}

// Shutdown finishes what is being served; Close would cut it.
func ExampleClient_shutdown() {
	ctx := context.Background()
	sessions := make(chan api.Session, 1)
	server := moqtest.NewUnstartedServer(api.NewTrackMux())
	server.Config.Handler = func(s api.Session) { sessions <- s }
	server.Start()
	defer server.Close()

	mux := api.NewTrackMux()
	_ = mux.PublishFunc(ctx, "recording", func(w api.TrackWriter) {
		g, _ := w.OpenGroup(w.Context())
		_ = g.WriteFrame(api.Frame{Payload: []byte("the last words")})
		_ = g.Close()
	})
	client := server.Client()
	if _, err := client.Dial(ctx, server.URL, mux); err != nil {
		fmt.Println(err)
		return
	}

	track, err := (<-sessions).Subscribe(ctx, "recording", "audio", nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	done := make(chan error, 1)
	go func() {
		bounded, cancel := context.WithTimeout(ctx, 10*time.Second)
		defer cancel()
		done <- client.Shutdown(bounded)
	}()
	group, _ := track.AcceptGroup(ctx)
	for frame := range api.Frames(ctx, group, nil) {
		fmt.Printf("%s\n", frame.Payload)
	}
	_, _ = track.AcceptGroup(ctx)
	fmt.Println("shutdown:", <-done)
	_, err = client.Dial(ctx, server.URL, nil)
	fmt.Println(errors.Is(err, api.ErrClientClosed))
	// Output:
	// the last words
	// shutdown: <nil>
	// true
}

// greeter is an application that depends on the smallest interface it needs.
type greeter struct{ dialer api.Dialer }

func (g greeter) greet(ctx context.Context) error {
	session, err := g.dialer.Dial(ctx, "moqt://relay.example.com", api.NewTrackMux())
	if err != nil {
		return fmt.Errorf("cannot greet: %w", err)
	}
	return session.Terminate(api.SessionNoError, "hello")
}

// A mock stands in for the network. In a test, the reporter is the test's t,
// and the test runs in a testing/synctest bubble: a wrong expectation then
// fails at once, on whatever goroutine the call was made.
func ExampleDialer_mock() {
	ctrl := gomock.NewController(nil)
	dialer := mocks.NewMockDialer(ctrl)
	failed := &api.DialError{URL: "moqt://relay.example.com", Phase: api.PhaseConnect, Err: errors.New("nothing listens there")}
	session := apitest.Session(nil)
	gomock.InOrder(
		dialer.EXPECT().Dial(gomock.Any(), "moqt://relay.example.com", gomock.Any()).Return(nil, failed),
		dialer.EXPECT().Dial(gomock.Any(), gomock.Any(), gomock.Any()).Return(session, nil),
	)
	app := greeter{dialer}
	fmt.Println(app.greet(context.Background()))
	fmt.Println(app.greet(context.Background()), context.Cause(session.Context()))
	// Output:
	// cannot greet: dial moqt://relay.example.com: connect: nothing listens there
	// <nil> session closed here: no error: hello
}

// A handler is tested without any session: a recorder takes what it writes.
func ExampleTrackHandler_recorded() {
	handler := api.TrackHandlerFunc(func(w api.TrackWriter) {
		g, err := w.OpenGroup(w.Context())
		if err != nil {
			return
		}
		_ = g.WriteFrame(api.Frame{Payload: []byte("hello " + string(w.Request().Name))})
		_ = g.Close()
	})
	w := apitest.NewTrackRecorder(context.Background(), api.TrackRequest{Path: "room", Name: "ann"})
	handler.ServeTrack(w)
	for _, g := range w.Groups() {
		for _, f := range g.Frames() {
			fmt.Printf("%d: %s\n", g.Sequence(), f.Payload)
		}
	}
	// Output:
	// 0: hello ann
}

// Any transport.Dialer will do: this one sends all connections elsewhere, and
// another might log them, count them, or go through a tunnel.
func ExampleDialer_customTransport() {
	ctx := context.Background()
	server := moqtest.NewServer(api.NewTrackMux())
	defer server.Close()
	redirect := transport.DialerFunc(func(ctx context.Context, url string, protocols []string) (transport.Conn, error) {
		fmt.Println("dialling", url)
		return server.Network.Dial(ctx, server.URL, protocols)
	})
	client := &impl.Client{Transport: redirect}
	defer client.Close()
	session, err := client.Dial(ctx, "moqt://relay.example.com", nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(session.State().Version, "over", session.State().Transport)
	// Output:
	// dialling moqt://relay.example.com
	// moq-lite-06 over memory
}
