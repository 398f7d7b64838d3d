package impl_test

import (
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/moqlite/moqlite/api"
	"github.com/moqlite/moqlite/impl/live"
	"github.com/moqlite/moqlite/impl/moqtest"
)

// TestLongGroupsAreLogged writes groups that are too long for some readers, to
// a subscriber and to a live track: that is logged once per subscription.
func TestLongGroupsAreLogged(t *testing.T) {
	write := func(t *testing.T, w api.TrackSink, frames int) {
		g, err := w.OpenGroup(t.Context())
		if err != nil {
			t.Error(err)
			return
		}
		for range frames {
			if err := g.WriteFrame(api.Frame{Payload: []byte("frame")}); err != nil {
				t.Error(err)
			}
		}
		_ = g.Close()
	}
	for _, test := range []struct {
		name   string
		groups []int // of so many frames
		logged int
	}{
		{"short", []int{1024, 1024}, 0},
		{"long", []int{1026, 3, 3000}, 1},
	} {
		for _, lived := range []bool{false, true} {
			t.Run(test.name, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					mux, logged := api.NewTrackMux(), new(strings.Builder)
					server := moqtest.NewUnstartedServer(mux)
					server.Config.Logger = slog.New(slog.NewTextHandler(logged, &slog.HandlerOptions{Level: slog.LevelWarn}))
					server.Start()
					defer server.Close()
					broadcast := new(live.Broadcast)
					if lived {
						if err := mux.Publish(t.Context(), "room", broadcast); err != nil {
							t.Fatal(err)
						}
						broadcast.Track("video", api.TrackInfo{})
					} else {
						publish(t, mux, func(w api.TrackWriter) {
							for _, frames := range test.groups {
								write(t, w, frames)
							}
						})
					}
					r := subscribe(t, dial(t, server, api.Lite06, nil), "room", nil)
					if lived {
						synctest.Wait()
						for _, frames := range test.groups {
							write(t, broadcast.Track("video", api.TrackInfo{}), frames)
						}
					}
					for range test.groups {
						g := accept(t, r)
						if err := readGroup(g, test.groups[g.Sequence()], len("frame")); err != nil {
							t.Error(err)
						}
					}
					time.Sleep(time.Second)
					if n := strings.Count(logged.String(), "1,024"); n != test.logged {
						t.Errorf("logged %d times, want %d:\n%s", n, test.logged, logged)
					}
				})
			})
		}
	}
}
