package relay_test

import (
	"context"
	"errors"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/moqlite/moqlite/api"
	"github.com/moqlite/moqlite/impl/live"
)

// passOn publishes a live track "video" in "room" as if it came by a chain of
// hops, and returns the track.
func passOn(t *testing.T, mux *api.TrackMux, hops ...api.Hop) *live.Track {
	t.Helper()
	broadcast := new(live.Broadcast)
	track := broadcast.Track("video", api.TrackInfo{})
	if err := mux.Announce(t.Context(), api.Announcement{Path: "room", Hops: hops}, broadcast); err != nil {
		t.Fatal(err)
	}
	return track
}

// statuses returns what is announced of "room" within a second.
func statuses(t *testing.T, r api.AnnouncementReader) (heard []api.AnnouncementStatus, last api.Announcement) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	for {
		a, err := r.Receive(ctx)
		if errors.Is(err, context.DeadlineExceeded) {
			return heard, last
		}
		if err != nil {
			t.Fatal(err)
		}
		if a.Path == "room" {
			heard, last = append(heard, a.Status), a
		}
	}
}

// TestUpdateKeepsTheBroadcast changes the route of a broadcast on the way to
// its publisher: downstream that is an update, and new subscribers share the
// subscription upstream with the current ones.
func TestUpdateKeepsTheBroadcast(t *testing.T) {
	for _, v := range []api.Version{api.Lite05, api.Lite06} {
		t.Run(string(v), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				server, _ := startRelay()
				defer server.Close()
				mux := api.NewTrackMux()
				track := passOn(t, mux, 9, 10)
				dial(t, server, v, mux)
				s := dial(t, server, api.Lite06, api.NewTrackMux())
				heard := announcements(t, s)
				await(t, heard, "room", api.AnnouncementActive)
				first := subscribe(t, s, nil)
				defer first.Close()
				if err := mux.Update(api.Announcement{Path: "room", Hops: []api.Hop{9, 11, 12}}); err != nil {
					t.Fatal(err)
				}
				got, last := statuses(t, heard)
				if !slices.Equal(got, []api.AnnouncementStatus{api.AnnouncementUpdated}) {
					t.Fatalf("heard %v of an update", got)
				}
				if !slices.Contains(last.Hops, 11) {
					t.Errorf("hops %v after the update", last.Hops)
				}
				second := subscribe(t, s, nil)
				defer second.Close()
				synctest.Wait()
				if n := track.Subscribers(); n != 1 {
					t.Errorf("%d subscriptions upstream", n)
				}
			})
		})
	}
}

// TestUpdateToAnotherOrigin is a restart: the groups are different ones.
func TestUpdateToAnotherOrigin(t *testing.T) {
	for _, v := range []api.Version{api.Lite05, api.Lite06} {
		t.Run(string(v), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				server, _ := startRelay()
				defer server.Close()
				mux := api.NewTrackMux()
				passOn(t, mux, 9, 10)
				dial(t, server, v, mux)
				heard := announcements(t, dial(t, server, api.Lite06, api.NewTrackMux()))
				await(t, heard, "room", api.AnnouncementActive)
				if err := mux.Update(api.Announcement{Path: "room", Hops: []api.Hop{8, 10}}); err != nil {
					t.Fatal(err)
				}
				got, last := statuses(t, heard)
				if !slices.Equal(got, []api.AnnouncementStatus{api.AnnouncementEnded, api.AnnouncementActive}) {
					t.Errorf("heard %v of another origin", got)
				}
				if len(last.Hops) == 0 || last.Hops[0] != 8 {
					t.Errorf("hops %v after the update", last.Hops)
				}
			})
		})
	}
}

// TestFailOverAfterAnUpdate removes the only other route, and then the one that
// was updated: nobody misses a group.
func TestFailOverAfterAnUpdate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server, _ := startRelay()
		defer server.Close()
		c := newCamera(t, t.Context(), 60)
		first := c.connect(t, server, api.Lite06)
		s := dial(t, server, api.Lite06, api.NewTrackMux())
		await(t, announcements(t, s), "room", api.AnnouncementActive)
		r := subscribe(t, s, nil)
		go func() {
			time.Sleep(time.Second)
			_ = c.mux.Update(api.Announcement{Path: "room", Warm: 5, Cold: 9})
			time.Sleep(time.Second)
			c.connect(t, server, api.Lite06)
			time.Sleep(time.Second)
			_ = first.Terminate(api.SessionNoError, "")
		}()
		seen, err := numbers(t, r)
		if err != nil {
			t.Fatalf("after groups %v: %v", seen, err)
		}
		if len(seen) != 60 {
			t.Errorf("%d groups, want all 60; gaps %v", len(seen), r.Gaps())
		}
	})
}
