package relay_test

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/moqlite/moqlite/api"
)

// TestSessionThatAnnouncesTooMuch: one session announces more than its share.
// There is room for others, and all readers of announcements keep their
// sessions.
func TestSessionThatAnnouncesTooMuch(t *testing.T) {
	for _, v := range api.Versions() {
		t.Run(string(v), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				server, r := startRelay()
				defer server.Close()
				var log strings.Builder
				r.Announcements, r.Logger = 100, slog.New(slog.NewTextHandler(&log, nil))
				follower := dial(t, server, v, api.NewTrackMux())
				announcements(t, follower)
				many, ctx := api.NewTrackMux(), t.Context()
				for i := range 200 {
					_ = many.PublishFunc(ctx, api.BroadcastPath(fmt.Sprint("x/", i)), idle)
				}
				greedy := dial(t, server, v, many)
				time.Sleep(5 * time.Second)
				honest := api.NewTrackMux()
				_ = honest.PublishFunc(ctx, "honest", idle)
				publisher := dial(t, server, v, honest)
				time.Sleep(time.Second)
				taken := 0
				for range r.Mux().All("x") {
					taken++
				}
				if _, err := r.Mux().Lookup("honest"); err != nil || taken != 50 {
					t.Errorf("%d of the one that announces too much, want 50; of the other: %v", taken, err)
				}
				if n := strings.Count(log.String(), "announcements dropped"); n != 1 {
					t.Errorf("logged %d times:\n%s", n, log.String())
				}
				for _, s := range []api.Session{greedy, follower, publisher} {
					if err := context.Cause(s.Context()); err != nil {
						t.Errorf("a session has ended: %v", err)
					}
				}
			})
		})
	}
}

// TestAnnouncementsOfAllAreBounded, whatever sessions they come from. Those
// withdrawn make room.
func TestAnnouncementsOfAllAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server, r := startRelay()
		defer server.Close()
		r.Announcements = 10
		ctx, withdraw := context.WithCancel(t.Context())
		defer withdraw()
		announce := func(ctx context.Context, who string) *api.TrackMux {
			mux := api.NewTrackMux()
			for i := range 4 {
				_ = mux.PublishFunc(ctx, api.BroadcastPath(fmt.Sprint(who, i)), idle)
			}
			dial(t, server, api.Lite06, mux)
			time.Sleep(time.Second)
			return mux
		}
		count := func() (n int) {
			for range r.Mux().All("") {
				n++
			}
			return n
		}
		announce(ctx, "a")
		announce(t.Context(), "b")
		last := announce(t.Context(), "c")
		if n := count(); n != 10 {
			t.Errorf("%d announced, want 10", n)
		}
		withdraw()
		time.Sleep(2 * time.Second)
		if n := count(); n != 6 {
			t.Errorf("%d announced after four were withdrawn, want 6", n)
		}
		for a := range last.All("") {
			_ = last.Update(api.Announcement{Path: a.Path, Warm: 5, Cold: 5})
		}
		time.Sleep(time.Second)
		if n := count(); n != 8 {
			t.Errorf("%d announced after an update of what was dropped, want 8", n)
		}
	})
}

// TestOriginChangesAtTheLimit: what is announced is not dropped for that.
func TestOriginChangesAtTheLimit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server, r := startRelay()
		defer server.Close()
		r.Announcements = 1
		mux := api.NewTrackMux()
		passOn(t, mux, 9, 10)
		dial(t, server, api.Lite06, mux)
		heard := announcements(t, dial(t, server, api.Lite06, api.NewTrackMux()))
		await(t, heard, "room", api.AnnouncementActive)
		_ = mux.Update(api.Announcement{Path: "room", Hops: []api.Hop{8, 10}})
		if a := await(t, heard, "room", api.AnnouncementActive); a.Origin() != 8 {
			t.Errorf("heard %v", a)
		}
	})
}
