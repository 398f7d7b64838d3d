package relay_test

import (
	"context"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/moqlite/moqlite/api"
	"github.com/moqlite/moqlite/impl/moqtest"
)

// TestFollowersOfManyAnnouncements: one session announces as many broadcasts as
// it may. With those of another, there are more at the relay than a client
// follows; nobody loses a session by that.
func TestFollowersOfManyAnnouncements(t *testing.T) {
	const limit = 1000
	for _, v := range api.Versions() {
		t.Run(string(v), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				config := &api.Config{Versions: []api.Version{v}, Limits: api.Limits{Announcements: limit}}
				server := moqtest.NewUnstartedRelay()
				server.Config.Config = config
				server.Start()
				defer server.Close()
				dial := func(mux *api.TrackMux) api.Session {
					client := server.Client()
					client.Config = config
					s, err := client.Dial(t.Context(), server.URL, mux)
					if err != nil {
						t.Fatal(err)
					}
					return s
				}
				serve := func(w api.TrackWriter) { <-w.Context().Done() }
				honest := api.NewTrackMux()
				_ = honest.PublishFunc(t.Context(), "honest", serve)
				sessions := map[string]api.Session{"publisher": dial(honest), "follower": dial(api.NewTrackMux())}
				announced, err := sessions["follower"].Announcements(t.Context(), "")
				if err != nil {
					t.Fatal(err)
				}
				heard := 0
				go func() {
					for a, err := range api.Announcements(t.Context(), announced) {
						if err == nil && a.Status == api.AnnouncementActive {
							heard++
						}
					}
				}()
				time.Sleep(time.Second)
				many := api.NewTrackMux()
				for i := range limit {
					_ = many.PublishFunc(t.Context(), api.BroadcastPath(fmt.Sprint("x/", i)), serve)
				}
				sessions["greedy"] = dial(many)
				time.Sleep(5 * time.Second)
				synctest.Wait()
				for who, s := range sessions {
					if err := context.Cause(s.Context()); err != nil {
						t.Errorf("the %s has lost its session: %v", who, err)
					}
				}
				if heard < limit/2 || heard > limit {
					t.Errorf("the follower has heard of %d broadcasts, and may follow %d", heard, limit)
				}
			})
		})
	}
}
