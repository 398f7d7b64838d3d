package relay_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/moqlite/moqlite/api"
)

// TestPathOfTheProgram: when the program gives up a path, what a session has
// announced there is announced.
func TestPathOfTheProgram(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server, r := startRelay()
		defer server.Close()
		own, end := context.WithCancel(t.Context())
		_ = r.Mux().PublishFunc(own, "room", idle)
		mux := api.NewTrackMux()
		_ = mux.PublishFunc(t.Context(), "room", serve("session", 1))
		dial(t, server, api.Lite06, mux)
		s := dial(t, server, api.Lite06, api.NewTrackMux())
		heard := announcements(t, s)
		await(t, heard, "room", api.AnnouncementActive)
		time.Sleep(time.Second)
		end()
		await(t, heard, "room", api.AnnouncementEnded)
		await(t, heard, "room", api.AnnouncementActive)
		if got := readAll(t, s, "room"); len(got) != 1 || got[0] != "session 0" {
			t.Errorf("read %q", got)
		}
	})
}
