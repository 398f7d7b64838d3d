package data_test

import (
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/moqlite/moqlite/api"
	"github.com/moqlite/moqlite/api/data"
	"github.com/moqlite/moqlite/api/media"
	"github.com/moqlite/moqlite/impl"
	"github.com/moqlite/moqlite/impl/live"
	"github.com/moqlite/moqlite/impl/moqtest"
	"github.com/moqlite/moqlite/impl/redial"
)

// TestLogSurvivesCuts reads a log through a relay, whose connections to the
// publisher and to the reader are cut twice: each record comes once and in order.
func TestLogSurvivesCuts(t *testing.T) {
	for _, v := range []api.Version{api.Lite05, api.Lite06} {
		for _, compression := range []string{"", "deflate"} {
			records := 10_000
			if v == api.Lite06 && compression == "" {
				records = 100_000
			}
			t.Run(fmt.Sprint(v, compression), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					b := &live.Broadcast{}
					mux := api.NewTrackMux()
					catalog := media.Catalog{JSON: map[api.TrackName]media.DataTrack{"events": {Mode: "stream", Compression: compression}}}
					err := errors.Join(mux.Publish(t.Context(), "robot/7", b),
						media.NewCatalogWriter(b.Track("catalog.json", api.TrackInfo{})).Update(t.Context(), &catalog))
					if err != nil {
						t.Fatal(err)
					}
					server := moqtest.NewRelay()
					defer server.Close()
					client := server.Client()
					client.Config = &api.Config{Versions: []api.Version{v}}
					s, err := impl.NewRedialer(client, redial.Policy{}).Dial(t.Context(), server.URL, api.NewTrackMux())
					if err != nil {
						t.Fatal(err)
					}
					defer s.Close()
					_, err = impl.NewRedialer(server.Client(), redial.Policy{}).Dial(t.Context(), server.URL, mux)
					if err != nil {
						t.Fatal(err)
					}
					w := data.NewLogWriter[string](b.Track("events", api.TrackInfo{}), &data.Options{Deflate: compression != ""})
					done := make(chan error, 1)
					go func() {
						var err error
						for i := range records {
							err = errors.Join(err, w.Append(t.Context(), fmt.Sprint("record ", i)))
							if i%50 == 0 {
								time.Sleep(10 * time.Millisecond)
							}
							if i == records/3 || i == records/3*2 {
								server.Sever()
							}
						}
						done <- errors.Join(err, w.Close())
					}()
					log, err := data.OpenLog[string](t.Context(), s, "robot/7", "events")
					if err != nil {
						t.Fatal(err)
					}
					n := 0
					for v, err := range log {
						if err != nil || v != fmt.Sprint("record ", n) {
							t.Fatalf("record %d is %q, %v", n, v, err)
						}
						if n++; n == records {
							break
						}
					}
					if err := <-done; err != nil || n != records {
						t.Errorf("%d records, %v", n, err)
					}
					_ = b.Close()
				})
			})
		}
	}
}

// TestSlowReaderGetsTheNewest checks that a loop which takes longer than values
// come gets the newest of them, and the last one at the end.
func TestSlowReaderGetsTheNewest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := &live.Broadcast{}
		mux := api.NewTrackMux()
		if err := mux.Publish(t.Context(), "robot/7", b); err != nil {
			t.Fatal(err)
		}
		track := b.Track("state", api.TrackInfo{})
		server := moqtest.NewServer(mux)
		defer server.Close()
		s, err := server.Client().Dial(t.Context(), server.URL, nil)
		if err != nil {
			t.Fatal(err)
		}
		w := data.NewSnapshotWriter[map[string]int](track, nil)
		if err := w.Set(t.Context(), map[string]int{"n": 0, "same": 1}); err != nil {
			t.Fatal(err)
		}
		r, err := s.Subscribe(t.Context(), "robot/7", "state", &api.SubscribeConfig{StartGroup: api.GroupLatest})
		if err != nil {
			t.Fatal(err)
		}
		defer r.Close()
		go func() {
			for i := 1; i <= 1000; i++ {
				time.Sleep(10 * time.Millisecond)
				_ = w.Set(t.Context(), map[string]int{"n": i, "same": 1})
			}
			_ = errors.Join(w.Close(), track.Close())
		}()
		values, last := 0, -1
		for v, err := range data.Snapshots[map[string]int](t.Context(), r, nil) {
			if err != nil || v["n"] <= last || v["same"] != 1 {
				t.Fatalf("%v after %d, %v", v, last, err)
			}
			values, last = values+1, v["n"]
			time.Sleep(time.Second)
		}
		if values < 9 || values > 12 || last != 1000 {
			t.Errorf("%d values, the last is %d", values, last)
		}
	})
}
