package wire_test

import (
	"context"
	"fmt"

	"github.com/moqlite/moqlite/api"
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
