package transport_test

import (
	"context"
	"errors"
	"fmt"

	"github.com/moqlite/moqlite/transport"
	"github.com/moqlite/moqlite/transport/memconn"
)

// Where the first dialer does not get through, the second one is used. Package
// impl combines WebTransport and WebSocket in this way.
func ExampleFallback() {
	ctx := context.Background()
	var network memconn.Network
	listener, err := network.Listen("relay.example.com", []string{"moq-lite-06"}, nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer listener.Close()
	blocked := transport.DialerFunc(func(context.Context, string, []string) (transport.Conn, error) {
		return nil, &transport.DialError{Transport: "udp", Phase: transport.PhaseConnect, Err: errors.New("no answer")}
	})

	dialer := &transport.Fallback{First: blocked, Second: &network}
	conn, err := dialer.Dial(ctx, "https://relay.example.com", []string{"moq-lite-06"})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer conn.CloseWithError(0, "")
	fmt.Println(conn.State().Protocol, "over", conn.State().Transport)
	// Output: moq-lite-06 over memory
}

// Each scheme has its dialer; others are refused.
func ExampleByScheme() {
	ctx := context.Background()
	var network memconn.Network
	listener, err := network.Listen("relay.example.com", []string{"moq-lite-06"}, nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer listener.Close()

	dialer := transport.ByScheme{"moqt": &network}
	conn, err := dialer.Dial(ctx, "moqt://relay.example.com", []string{"moq-lite-06"})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer conn.CloseWithError(0, "")
	_, err = dialer.Dial(ctx, "https://relay.example.com", []string{"moq-lite-06"})
	fmt.Println(conn.State().Transport, errors.Is(err, transport.ErrUnsupportedScheme))
	// Output: memory true
}
