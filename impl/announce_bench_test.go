package impl_test

import (
	"context"
	"fmt"
	"runtime"
	"testing"

	"github.com/moqlite/moqlite/api"
	"github.com/moqlite/moqlite/impl/moqtest"
)

// BenchmarkAnnouncements announces 5,000 broadcasts over one session in
// memory. It reports the time and memory per announcement that both ends use
// together: for those that exist when an interest begins, and for a burst of
// new ones, including their publishing.
func BenchmarkAnnouncements(b *testing.B) {
	const broadcasts = 5000
	paths := manyPaths(0, broadcasts, 1)
	for _, v := range api.Versions() {
		b.Run("initial/"+string(v), func(b *testing.B) {
			mux, s := announcing(b, v)
			announce(b, b.Context(), mux, paths...)
			var r api.AnnouncementReader
			hear := func() {
				var err error
				if r, err = s.Announcements(b.Context(), ""); err != nil {
					b.Fatal(err)
				}
				receiveMany(b, r, broadcasts)
			}
			held := grown(hear)
			_ = r.Close()
			perAnnouncement(b, broadcasts, func() { hear(); _ = r.Close() })
			b.ReportMetric(float64(held)/broadcasts, "B-held/announcement")
		})
	}
	b.Run("burst", func(b *testing.B) {
		mux, s := announcing(b, api.Lite06)
		r, err := s.Announcements(b.Context(), "")
		if err != nil {
			b.Fatal(err)
		}
		defer r.Close()
		perAnnouncement(b, 2*broadcasts, func() {
			ctx, end := context.WithCancel(b.Context())
			announce(b, ctx, mux, paths...)
			receiveMany(b, r, broadcasts)
			end()
			receiveMany(b, r, broadcasts)
		})
	})
}

// announcing returns a mux and a session to a server of it.
func announcing(b *testing.B, v api.Version) (*api.TrackMux, api.Session) {
	mux := api.NewTrackMux()
	server := moqtest.NewServer(mux)
	b.Cleanup(server.Close)
	c := server.Client()
	c.Config = &api.Config{Versions: []api.Version{v}}
	s, err := c.Dial(b.Context(), server.URL, api.NewTrackMux())
	if err != nil {
		b.Fatal(err)
	}
	return mux, s
}

// perAnnouncement reports the cost of f for each of its n announcements.
func perAnnouncement(b *testing.B, n int, f func()) {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	for b.Loop() {
		f()
	}
	runtime.ReadMemStats(&after)
	total := float64(b.N * n)
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/total, "ns/announcement")
	b.ReportMetric(float64(after.TotalAlloc-before.TotalAlloc)/total, "B/announcement")
	b.ReportMetric(float64(after.Mallocs-before.Mallocs)/total, "allocs/announcement")
}

func manyPath(i int) api.BroadcastPath { return api.BroadcastPath(fmt.Sprintf("room/%d/cam", i)) }

func nothing(api.TrackWriter) {}

// receiveMany receives n changes. The event that the set is complete does not
// count.
func receiveMany(tb testing.TB, r api.AnnouncementReader, n int) {
	tb.Helper()
	for n > 0 {
		a, err := r.Receive(tb.Context())
		if err != nil {
			tb.Fatal(err)
		}
		if a.Status != api.AnnouncementsComplete {
			n--
		}
	}
}
