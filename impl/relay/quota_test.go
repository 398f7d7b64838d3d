package relay_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/moqlite/moqlite/api"
)

// TestOneViewerCannotUseUpThePublisher: a viewer makes so many requests to one
// publisher, none of which ends, that no other could be served: for tracks of
// made-up names, or for the group that a quiet track is in. Another viewer is
// served all the same.
func TestOneViewerCannotUseUpThePublisher(t *testing.T) {
	for how, n := range map[string]int{"fetch": 4096, "subscribe": 2200} {
		t.Run(how, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				server, _ := startRelay()
				defer server.Close()
				mux := api.NewTrackMux()
				quiet := func(w api.GroupWriter) {
					_ = w.WriteFrame(api.Frame{Timestamp: 1, Payload: []byte("hello")})
					<-w.Context().Done()
				}
				_ = mux.Publish(t.Context(), "room", api.TrackFuncs{
					Serve: func(w api.TrackWriter) {
						if g, err := w.OpenGroup(w.Context()); err == nil {
							quiet(g)
						}
					},
					Fetch: func(w api.GroupWriter, _ api.FetchRequest) { quiet(w) },
				})
				dial(t, server, api.Lite06, mux)
				greedy, viewer := dial(t, server, api.Lite06, api.NewTrackMux()), dial(t, server, api.Lite06, api.NewTrackMux())
				time.Sleep(time.Second)
				refused := 0
				results := make(chan error, n)
				for i := range n {
					go func() {
						if how == "fetch" {
							_, err := greedy.Fetch(t.Context(), api.FetchRequest{Path: "room", Name: "catalog", Group: 7})
							results <- err
							return
						}
						_, err := greedy.Subscribe(t.Context(), "room", api.TrackName(fmt.Sprint("name ", i)), nil)
						results <- err
					}()
				}
				for range n {
					err := <-results
					reset, ok := errors.AsType[*api.StreamError](err)
					if ok && reset.Code == api.StreamNoCapacity {
						refused++
					} else if err != nil {
						t.Fatal(err)
					}
				}
				if served := n - refused; served < 1500 || served > 2000 {
					t.Errorf("of %d requests of one viewer %d are served at a time, want half of 4,000", n, served)
				}
				watch := func(when string) {
					ctx, cancel := context.WithTimeout(t.Context(), 8*time.Second)
					defer cancel()
					r, err := viewer.Subscribe(ctx, "room", "video", nil)
					if err == nil {
						_, err = r.AcceptGroup(ctx)
						_ = r.Close()
					}
					if err != nil {
						t.Errorf("%s: %v", when, err)
					}
				}
				watch("beside one viewer that has asked for much")
				_ = greedy.Terminate(api.SessionNoError, "")
				time.Sleep(5 * time.Second)
				watch("after that one has left")
			})
		})
	}
}

// TestUnreadFetchesAreTheirOwnersLoss: a viewer fetches many large groups that
// it does not read, and another one fetches one that it reads slowly.
func TestUnreadFetchesAreTheirOwnersLoss(t *testing.T) {
	for _, v := range []api.Version{api.Lite05, api.Lite06} {
		t.Run(string(v), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				server, _ := startRelay()
				defer server.Close()
				mux := api.NewTrackMux()
				_ = mux.Publish(t.Context(), "room", api.TrackFuncs{Fetch: func(w api.GroupWriter, _ api.FetchRequest) {
					for i := range uint64(32) {
						if w.WriteFrame(api.Frame{Timestamp: i + 1, Payload: make([]byte, 64<<10)}) != nil {
							return
						}
					}
					_ = w.Close()
				}})
				dial(t, server, v, mux)
				greedy, viewer := dial(t, server, v, api.NewTrackMux()), dial(t, server, v, api.NewTrackMux())
				time.Sleep(time.Second)
				fetch := func(s api.Session, seq api.GroupSequence) (api.GroupReader, error) {
					return s.Fetch(t.Context(), api.FetchRequest{Path: "room", Name: "video", Group: seq})
				}
				g, err := fetch(viewer, 1000)
				if err != nil {
					t.Fatal(err)
				}
				for i := range api.GroupSequence(40) {
					go func() { _, _ = fetch(greedy, i) }()
				}
				frames := 0
				for f, err := range api.Frames(t.Context(), g, nil) {
					if err != nil {
						t.Fatalf("after %d of 32 frames: %v", frames, err)
					}
					if frames++; len(f.Payload) != 64<<10 {
						t.Errorf("frame %d has %d bytes", frames, len(f.Payload))
					}
					time.Sleep(400 * time.Millisecond)
				}
				if frames != 32 {
					t.Errorf("%d of 32 frames came", frames)
				}
			})
		})
	}
}
