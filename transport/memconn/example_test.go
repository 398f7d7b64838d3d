package memconn_test

import (
	"context"
	"fmt"
	"io"

	"github.com/moqlite/moqlite/transport/memconn"
)

func ExampleNetwork() {
	var network memconn.Network
	listener, err := network.Listen("relay.example", []string{"moq-lite-06", "moq-lite-05"}, nil)
	if err != nil {
		panic(err)
	}
	defer listener.Close()

	ctx := context.Background()
	client, err := network.Dial(ctx, "https://relay.example/live", []string{"moq-lite-06"})
	if err != nil {
		panic(err)
	}
	defer client.CloseWithError(0, "")
	server, err := listener.Accept(ctx)
	if err != nil {
		panic(err)
	}

	w, _ := client.OpenUniStream(ctx)
	fmt.Fprint(w, "hello")
	w.Close()
	r, _ := server.AcceptUniStream(ctx)
	data, _ := io.ReadAll(r)
	fmt.Println(server.State().Protocol, server.State().URL.Path, string(data))
	// Output: moq-lite-06 /live hello
}
