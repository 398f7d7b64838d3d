package main

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/moqlite/moqlite/api"
	"github.com/moqlite/moqlite/impl"
	"github.com/moqlite/moqlite/transport/transporttest"
)

// TestListWatches watches a broadcast that is announced, changes its route,
// and ends.
func TestListWatches(t *testing.T) {
	transporttest.NoLeaks(t)
	for _, version := range api.Versions() {
		t.Run(string(version), func(t *testing.T) {
			mux := api.NewTrackMux()
			url := "http://" + startServer(t, &impl.Server{Mux: mux, Config: &api.Config{Hop: 7}}).String()
			flags := []string{"ls", url, "room", "--watch", "--version-only", string(version)}
			c := start(t, "", append(flags, "--json")...)
			text := start(t, "", flags...)
			await := func(status string, count int) {
				t.Helper()
				text.out.awaitCount(t, "\n", count)
				text.out.await(t, status)
				c.out.awaitCount(t, "\n", count)
			}
			ctx, withdraw := context.WithCancel(t.Context())
			defer withdraw()
			a := api.Announcement{Path: "room/cam", Status: api.AnnouncementActive, Hops: []api.Hop{3}}
			if err := mux.Announce(ctx, a, api.TrackFuncs{}); err != nil {
				t.Fatal(err)
			}
			await("active  room/cam\n", 1)
			a.Hops = []api.Hop{3, 5}
			if err := mux.Update(a); err != nil {
				t.Fatal(err)
			}
			more := 1
			if version == api.Lite03 || version == api.Lite04 {
				more = 2 // it ends, and is there again
			}
			await("room/cam\n", 1+more)
			withdraw()
			await("ended   room/cam\n", 2+more)
			c.cancel()
			c.wait(exitDone)
			text.cancel()
			text.wait(exitDone)
			lines := c.lines()
			hops := [][]any{{3.0, 7.0}, {3.0, 5.0, 7.0}}
			if version == api.Lite03 {
				hops = [][]any{{0.0, 0.0}, {0.0, 0.0, 0.0}}
			}
			checkListed(t, lines[0], "active", hops[0])
			checkListed(t, lines[more], "active", hops[1])
			checkListed(t, lines[1+more], "ended", nil)
			if version == api.Lite06 && !strings.Contains(text.out.String(), "updated room/cam\n") {
				t.Errorf("for people: %s", text.out)
			}
		})
	}
}

func checkListed(t *testing.T, line map[string]any, status string, hops []any) {
	t.Helper()
	if line["path"] != "room/cam" || line["status"] != status || hops != nil && fmt.Sprint(line["hops"]) != fmt.Sprint(hops) || line["hops"] == nil {
		t.Errorf("%v, want %s over %v", line, status, hops)
	}
}
