package relay_test

import (
	"context"
	"fmt"

	"github.com/moqlite/moqlite/api"
	"github.com/moqlite/moqlite/impl/moqtest"
	"github.com/moqlite/moqlite/impl/relay"
)

// Two sessions meet at a relay: one publishes, and the other reads. On a network,
// the server is an impl.Server with the same Mux and Handler.
func ExampleRelay() {
	ctx := context.Background()
	node := relay.New()
	defer node.Close()
	server := moqtest.NewUnstartedServer(node.Mux())
	server.Config.Handler = node.Handler
	server.Start()
	defer server.Close()

	mux := api.NewTrackMux()
	_ = mux.PublishFunc(ctx, "room/ann", func(w api.TrackWriter) {
		g, err := w.OpenGroup(w.Context())
		if err != nil {
			return
		}
		_ = g.WriteFrame(api.Frame{Payload: []byte("hello from ann")})
		_ = g.Close()
		<-w.Context().Done()
	})
	if _, err := server.Client().Dial(ctx, server.URL, mux); err != nil {
		fmt.Println(err)
		return
	}

	session, err := server.Client().Dial(ctx, server.URL, nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	track, err := api.SubscribeWhenAnnounced(ctx, session, "room/ann", "chat", nil)
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
