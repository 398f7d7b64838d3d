package impl_test

import (
	"context"
	"io"
	"testing"
	"testing/synctest"
	"time"

	"github.com/moqlite/moqlite/api"
)

// TestFlatOut writes as fast as possible to a reader that reads one group
// after the other: nothing is lost, whatever the size of groups and frames.
func TestFlatOut(t *testing.T) {
	for _, work := range []struct {
		name                 string
		groups, frames, size int
	}{
		{"small groups", 20_000, 1, 100},
		{"empty groups", 20_000, 0, 0},
		{"small frames", 1_000, 100, 200},
		{"large frames", 100, 30, 16 << 10},
	} {
		t.Run(work.name, func(t *testing.T) {
			for _, scheme := range []string{"memory", "moqt", "https", "wss"} {
				t.Run(scheme, func(t *testing.T) {
					synctest.Test(t, func(t *testing.T) { flatOut(t, scheme, work.groups, work.frames, work.size) })
				})
			}
		})
	}
}

func flatOut(t *testing.T, scheme string, groups, frames, size int) {
	mux := api.NewTrackMux()
	if err := mux.PublishFunc(t.Context(), "room", func(w api.TrackWriter) {
		f := api.Frame{Payload: make([]byte, size)}
		for range groups {
			g, err := w.OpenGroup(w.Context())
			for range frames {
				if err == nil {
					err = g.WriteFrame(f)
				}
			}
			if err == nil {
				err = g.Close()
			}
			if err != nil {
				t.Error("the publisher:", err)
				return
			}
		}
	}); err != nil {
		t.Fatal(err)
	}
	s, end := overFast(t, scheme, mux)
	defer end()
	r := subscribe(t, s, "room", &api.SubscribeConfig{MaxLatency: time.Hour})
	defer r.Close()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	var whole, read int
	began := time.Now()
	for g, err := range api.Groups(ctx, r) {
		if err != nil {
			t.Fatalf("after %d groups: %v", whole, err)
		}
		for f, err := range api.Frames(ctx, g, nil) {
			if err != nil || len(f.Payload) != size {
				t.Fatalf("group %d: a frame of %d bytes, %v", g.Sequence(), len(f.Payload), err)
			}
			read++
		}
		whole++
	}
	t.Logf("took %v", time.Since(began))
	if whole != groups || read != groups*frames {
		t.Errorf("read %d groups of %d, and %d frames of %d", whole, groups, read, groups*frames)
	}
	if gaps := r.Gaps(); len(gaps) > 0 {
		t.Errorf("%d runs of groups are lost, such as %+v", len(gaps), gaps[0])
	}
	if _, err := r.AcceptGroup(ctx); err != io.EOF {
		t.Errorf("after the last group: %v", err)
	}
}
