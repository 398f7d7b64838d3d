package ingest_test

import (
	"context"
	"errors"
	"io"
	"testing"
	"testing/synctest"
	"time"

	"github.com/moqlite/moqlite/api"
	"github.com/moqlite/moqlite/api/media"
	"github.com/moqlite/moqlite/impl/ingest"
	"github.com/moqlite/moqlite/impl/live"
)

// A received frame, and when it came, counted from the beginning of the test.
type received struct {
	media.Frame
	group     api.GroupSequence
	index     int // in its group
	timestamp uint64
	at        time.Duration
}

// An ingested source: what a viewer got of each track, and Run's error.
type ingested struct {
	catalogs []*media.Catalog
	shown    []time.Duration // when the catalogs came
	tracks   map[api.TrackName][]received
	err      error
}

// run publishes a source and reads all tracks of it, in a bubble.
func run(t *testing.T, s media.Reader, c *ingest.Config, names ...api.TrackName) (got ingested) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) { got = runIn(t, t.Context(), s, c, names...) })
	return got
}

// runIn is run, for a test that is in a bubble.
func runIn(t *testing.T, ctx context.Context, s media.Reader, c *ingest.Config, names ...api.TrackName) ingested {
	t.Helper()
	var b live.Broadcast
	got := ingested{tracks: make(map[api.TrackName][]received)}
	begun := time.Now()
	ended := make(chan error, 1)
	go func() { ended <- ingest.Run(ctx, &b, s, c) }()
	synctest.Wait() // the tracks are there
	frames := make(map[api.TrackName]chan []received)
	for _, name := range append(names, "catalog.json") {
		of := make(chan []received, 1)
		frames[name] = of
		go func() { of <- read(t, &b, name, begun) }()
	}
	got.err = <-ended
	for name, of := range frames {
		got.tracks[name] = <-of
	}
	for _, f := range got.tracks["catalog.json"] {
		catalog, left, err := media.ParseCatalog(f.Payload)
		if err != nil || len(left) > 0 {
			t.Errorf("catalog %s: %v %v", f.Payload, left, err)
			continue
		}
		got.catalogs, got.shown = append(got.catalogs, catalog), append(got.shown, f.at)
	}
	return got
}

// read reads a track to its end. The payload of a legacy frame is parsed, any
// other's is whole.
func read(t *testing.T, b *live.Broadcast, name api.TrackName, begun time.Time) (all []received) {
	r, err := b.Subscribe(t.Context(), name, &api.SubscribeConfig{MaxLatency: time.Hour})
	if err != nil {
		t.Errorf("track %s: %v", name, err)
		return nil
	}
	defer r.Close()
	for group, err := range api.Groups(t.Context(), r) {
		if err != nil {
			t.Errorf("track %s: %v", name, err)
			return all
		}
		var f api.Frame
		for i := 0; ; i++ {
			err := group.ReadFrame(&f)
			if err != nil {
				if !errors.Is(err, io.EOF) {
					all = append(all, received{group: group.Sequence(), index: -1})
				}
				break
			}
			one := received{group: group.Sequence(), index: i, timestamp: f.Timestamp, at: time.Since(begun)}
			one.Payload = append([]byte(nil), f.Payload...)
			if name != "catalog.json" && name != "catalog" {
				parsed, err := media.ParseLegacy(one.Payload)
				if err != nil {
					t.Errorf("track %s, frame %x: %v", name, one.Payload, err)
				}
				one.Frame = parsed
			}
			all = append(all, one)
		}
	}
	return all
}

// interleave sorts packets of several tracks by when they are ready, and those
// that are ready together by their tracks: as fragments come.
func interleave(tracks ...[]timed) (all []timed) {
	for len(tracks) > 0 {
		first := -1
		for i, t := range tracks {
			if len(t) > 0 && (first < 0 || t[0].ready < tracks[first][0].ready) {
				first = i
			}
		}
		if first < 0 {
			break
		}
		all = append(all, tracks[first][0])
		tracks[first] = tracks[first][1:]
	}
	return all
}
