package build_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/moqlite/moqlite/api"
	"github.com/moqlite/moqlite/transport/memconn"
	moqwire "github.com/moqlite/moqlite/wire"

	"example.com/consumer/build"
)

// TestInMemoryRelayed records through the wired relay what another client
// publishes.
func TestInMemoryRelayed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		options := moqwire.Options{Network: new(memconn.Network), Host: "relay.example.com"}
		node, closeNode := build.RelayedInMemory(build.Base(options))
		defer closeNode()
		if _, err := node.Server.Listen(); err != nil {
			t.Fatal(err)
		}
		go func() { _ = node.Server.ListenAndServe() }()

		mux := api.NewTrackMux()
		err := mux.PublishFunc(t.Context(), "room", func(w api.TrackWriter) {
			g, err := w.OpenGroup(w.Context())
			if err != nil {
				return
			}
			_ = g.WriteFrame(api.Frame{Payload: []byte("hello")})
			_ = g.Close()
		})
		if err != nil {
			t.Fatal(err)
		}
		publisher, closePublisher := moqwire.NewMemoryClient(options)
		defer closePublisher()
		if _, err := publisher.Dial(t.Context(), "https://relay.example.com", mux); err != nil {
			t.Fatal(err)
		}

		sink := make(frames, 1)
		recorder, cleanup := build.InMemory(options, sink, build.Settings{URL: "https://relay.example.com", Track: "data"})
		defer cleanup()
		done := make(chan error, 1)
		go func() { done <- recorder.Run(t.Context()) }()
		if got := <-sink; got != "hello" {
			t.Errorf("recorded %q", got)
		}
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		if err := recorder.Stop(ctx); err != nil {
			t.Error(err)
		}
		<-done
	})
}
