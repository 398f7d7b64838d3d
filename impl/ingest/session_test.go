package ingest_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/moqlite/moqlite/api"
	"github.com/moqlite/moqlite/api/media"
	"github.com/moqlite/moqlite/impl/ingest"
	"github.com/moqlite/moqlite/impl/live"
	"github.com/moqlite/moqlite/impl/moqtest"
)

// soundInBursts publishes sound of which 17 packets come at once, and has a
// viewer over a session read it as players do.
func soundInBursts(t *testing.T, pace ingest.Pace) {
	const n = 17 * 60
	s := &source{tracks: []media.Track{audioTrack()}, packets: readyTogether(sounds(0, n), 17*sound)}
	var b live.Broadcast
	mux := api.NewTrackMux()
	if err := mux.Publish(t.Context(), "room.hang", &b); err != nil {
		t.Fatal(err)
	}
	server := moqtest.NewServer(mux)
	defer server.Close()
	ended := make(chan error, 1)
	go func() { ended <- ingest.Run(t.Context(), &b, s, &ingest.Config{Pace: pace}) }()
	synctest.Wait()

	session, err := server.Client().Dial(t.Context(), server.URL, api.NewTrackMux())
	if err != nil {
		t.Fatal(err)
	}
	r, err := session.Subscribe(t.Context(), "room.hang", "audio", &api.SubscribeConfig{StartGroup: api.GroupLatest, MaxLatency: -1})
	if err != nil {
		t.Fatal(err)
	}
	heard := 0
	for group, err := range api.Groups(t.Context(), r) {
		if err != nil {
			t.Fatal(err)
		}
		for _, err := range api.Frames(t.Context(), group, new(api.Frame)) {
			if err != nil {
				t.Fatal(err)
			}
			heard++
		}
	}
	if err := <-ended; err != nil || heard != n {
		t.Errorf("%d of %d packets were heard: %v", heard, n, err)
	}
}

// TestRunEnds has Run end with its context while the source blocks.
func TestRunEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		s := &source{tracks: []media.Track{videoTrack()}, packets: []timed{{ready: time.Hour}}}
		var b live.Broadcast
		begun := time.Now()
		if err := ingest.Run(ctx, &b, s, nil); context.Cause(ctx) != err || time.Since(begun) != time.Second {
			t.Errorf("error %v after %v", err, time.Since(begun))
		}
		time.Sleep(time.Hour) // the source has returned
	})
}
