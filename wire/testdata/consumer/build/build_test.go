package build_test

import (
	"context"
	"errors"
	"os/exec"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/moqlite/moqlite/api"
	"github.com/moqlite/moqlite/transport/memconn"
	moqwire "github.com/moqlite/moqlite/wire"

	"example.com/consumer/build"
)

// frames is a sink that passes payloads on.
type frames chan string

func (f frames) Frame(_ api.BroadcastPath, _ api.GroupSequence, frame api.Frame) {
	f <- string(frame.Payload)
}
func (f frames) Lost(_ api.BroadcastPath, _ api.GroupSequence, err error) { f <- err.Error() }

// TestInMemory runs the whole application, as its injector builds it, against
// a real server, without a network.
func TestInMemory(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		network := new(memconn.Network)
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
		server, closeServer := moqwire.NewMemoryServer(moqwire.Options{Network: network, Host: "relay.example.com", Mux: mux})
		defer closeServer()
		if _, err := server.Listen(); err != nil {
			t.Fatal(err)
		}
		go func() { _ = server.ListenAndServe() }()

		sink := make(frames, 1)
		recorder, cleanup := build.InMemory(moqwire.Options{Network: network}, sink, build.Settings{URL: "https://relay.example.com", Track: "data"})
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
		if err := <-done; !errors.Is(err, api.ErrClientClosed) {
			t.Errorf("Run: %v", err)
		}
	})
}

// TestApplicationKnowsNoTransport lists what the application and its tests
// pull in.
func TestApplicationKnowsNoTransport(t *testing.T) {
	out, err := exec.CommandContext(t.Context(), "go", "list", "-test", "-deps", "example.com/consumer/recorder").CombinedOutput()
	if err != nil {
		t.Fatalf("go list: %v\n%s", err, out)
	}
	for pkg := range strings.SplitSeq(string(out), "\n") {
		for _, forbidden := range []string{"quic-go", "moqlite/impl", "moqlite/transport/", "moqlite/wire"} {
			if strings.Contains(pkg, forbidden) {
				t.Errorf("the application depends on %s", pkg)
			}
		}
	}
}
