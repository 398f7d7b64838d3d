package wire_test

import (
	"context"
	"fmt"
	"sync/atomic"

	"github.com/moqlite/moqlite/api"
	"github.com/moqlite/moqlite/impl/relay"
	"github.com/moqlite/moqlite/transport"
	"github.com/moqlite/moqlite/transport/memconn"
	"github.com/moqlite/moqlite/wire"
)

// greet is an application: it is given a client and does not know how that
// reaches the relay.
func greet(ctx context.Context, client api.Client) error {
	session, err := client.Dial(ctx, "https://relay.example.com", api.NewTrackMux())
	if err != nil {
		return err
	}
	fmt.Println(session.State().Version, "over", session.State().Transport)
	return client.Shutdown(ctx)
}

// Another transport is another injector: this application runs in memory, and
// with NewWebTransportClient over the network, unchanged.
func Example() {
	ctx := context.Background()
	options := wire.Options{Network: new(memconn.Network), Host: "relay.example.com"}
	server, closeServer := wire.NewMemoryServer(options)
	defer closeServer()
	if _, err := server.Listen(); err != nil {
		fmt.Println(err)
		return
	}
	go func() { _ = server.ListenAndServe() }()

	client, cleanup := wire.NewMemoryClient(options)
	defer cleanup()
	fmt.Println(greet(ctx, client))
	// Output:
	// moq-lite-06 over memory
	// <nil>
}

// A server becomes a relay by the mux and the handler of one. NewServer takes
// the same options, and listens on the network.
func Example_relay() {
	ctx := context.Background()
	node := relay.New()
	options := wire.Options{
		Network: new(memconn.Network), Host: "relay.example.com",
		Mux: node.Mux(), Handler: node.Handler,
	}
	server, closeServer := wire.NewMemoryServer(options)
	defer closeServer()
	if _, err := server.Listen(); err != nil {
		fmt.Println(err)
		return
	}
	go func() { _ = server.ListenAndServe() }()

	publisher, closePublisher := wire.NewMemoryClient(options)
	defer closePublisher()
	mux := api.NewTrackMux()
	_ = mux.PublishFunc(ctx, "room/chat", func(w api.TrackWriter) {
		g, _ := w.OpenGroup(w.Context())
		_ = g.WriteFrame(api.Frame{Payload: []byte("hello, room")})
		_ = g.Close()
	})
	if _, err := publisher.Dial(ctx, "https://relay.example.com", mux); err != nil {
		fmt.Println(err)
		return
	}

	viewer, closeViewer := wire.NewMemoryClient(options)
	defer closeViewer()
	session, err := viewer.Dial(ctx, "https://relay.example.com", api.NewTrackMux())
	if err != nil {
		fmt.Println(err)
		return
	}
	announced, err := session.Announcements(ctx, "room")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer announced.Close()
	for {
		if a, err := announced.Receive(ctx); err != nil || a.Status == api.AnnouncementActive {
			break
		}
	}
	track, err := session.Subscribe(ctx, "room/chat", "text", nil)
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
	// Output: hello, room
}

// Decorate puts a wrapper around the dialer of every client: this one counts
// bytes, and takes nothing from what the transport can do.
func Example_decorate() {
	ctx := context.Background()
	var open, received atomic.Int64
	options := wire.Options{
		Network: new(memconn.Network), Host: "relay.example.com", Config: &api.Config{WaitForSetup: true},
	}
	options.Decorate = func(d transport.Dialer) transport.Dialer {
		return transport.Observe(d, transport.Hooks{Conn: func(transport.State) *transport.ConnHooks {
			open.Add(1)
			return &transport.ConnHooks{
				Received: func(n int) { received.Add(int64(n)) },
				Closed:   func(error) { open.Add(-1) },
			}
		}})
	}
	server, closeServer := wire.NewMemoryServer(options)
	defer closeServer()
	if _, err := server.Listen(); err != nil {
		fmt.Println(err)
		return
	}
	go func() { _ = server.ListenAndServe() }()

	client, cleanup := wire.NewMemoryClient(options)
	if _, err := client.Dial(ctx, "https://relay.example.com", nil); err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println("open:", open.Load())
	cleanup()
	fmt.Println("open:", open.Load(), "received:", received.Load() > 0)
	// Output:
	// open: 1
	// open: 0 received: true
}
