package data_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/moqlite/moqlite/api"
	"github.com/moqlite/moqlite/api/apitest"
	"github.com/moqlite/moqlite/api/data"
	"github.com/moqlite/moqlite/impl/live"
)

// written returns the frames of a track, a group a line.
func written(track *apitest.TrackRecorder) string {
	var b strings.Builder
	for _, g := range track.Groups() {
		for i, f := range g.Frames() {
			if i > 0 {
				b.WriteByte(' ')
			}
			b.Write(f.Payload)
		}
		if closed, code := g.Closed(); code != nil {
			fmt.Fprintf(&b, " (%v)", *code)
		} else if closed {
			b.WriteString(" .")
		}
		b.WriteByte('\n')
	}
	return b.String()
}

func TestSetWritesWhatChanges(t *testing.T) {
	for name, test := range map[string]struct {
		options *data.Options
		values  []any
		want    string
	}{
		"patches": {nil, []any{
			map[string]any{"a": 1, "b": map[string]any{"c": "<", "d": 2}},
			map[string]any{"a": 1, "b": map[string]any{"c": "<", "d": 3}},
			map[string]any{"b": map[string]any{"d": 3, "c": "<"}, "a": 1},
			map[string]any{"a": 1},
		}, `{"a":1,"b":{"c":"<","d":2}} {"b":{"d":3}} {"b":null} .` + "\n"},
		"a null": {nil, []any{
			map[string]any{"a": 1, "b": 1}, map[string]any{"a": nil, "b": 1}, map[string]any{"a": nil, "b": 2},
		}, `{"a":1,"b":1} .` + "\n" + `{"a":null,"b":1} {"b":2} .` + "\n"},
		"no object": {nil, []any{[]int{1}, []int{1}, []int{1, 2}, "x"}, "[1] .\n[1,2] .\n\"x\" .\n"},
		"whole values": {&data.Options{DeltaRatio: -1}, []any{
			map[string]int{"a": 1}, map[string]int{"a": 1}, map[string]int{"a": 2},
		}, `{"a":1} .` + "\n" + `{"a":2} .` + "\n"},
		"ratio": {&data.Options{DeltaRatio: 1}, []any{
			map[string]int{"a": 1}, map[string]int{"a": 2}, map[string]int{"a": 3}, map[string]int{"a": 4},
		}, `{"a":1} {"a":2} .` + "\n" + `{"a":3} {"a":4} .` + "\n"},
		"marshalers, in any order": {nil, []any{
			json.RawMessage(`{"a": 9007199254740993, "b": 1.0}`), json.RawMessage(`{"b":1.0,"a":9007199254740993}`),
			json.RawMessage(`{"b":1.0,"a":9007199254740992}`),
		}, `{"a":9007199254740993,"b":1.0} {"a":9007199254740992} .` + "\n"},
	} {
		t.Run(name, func(t *testing.T) {
			track := apitest.NewTrackRecorder(t.Context(), api.TrackRequest{})
			w := data.NewSnapshotWriter[any](track, test.options)
			for _, v := range test.values {
				if err := w.Set(t.Context(), v); err != nil {
					t.Fatal(err)
				}
			}
			if err := errors.Join(w.Close(), w.Close()); err != nil {
				t.Fatal(err)
			}
			if got := written(track); got != test.want {
				t.Errorf("written:\n%sand should be\n%s", got, test.want)
			}
			if err := w.Set(t.Context(), 1); !errors.Is(err, api.ErrClosed) {
				t.Error(err)
			}
		})
	}
}

// TestSetRolls checks that no group has more than 256 frames.
func TestSetRolls(t *testing.T) {
	track := apitest.NewTrackRecorder(t.Context(), api.TrackRequest{})
	w := data.NewSnapshotWriter[map[string]any](track, nil)
	for i := range 300 {
		if err := w.Set(t.Context(), map[string]any{"i": i, "text": strings.Repeat("x", 1000)}); err != nil {
			t.Fatal(err)
		}
	}
	groups := track.Groups()
	if len(groups) != 2 || len(groups[0].Frames()) != 256 || len(groups[1].Frames()) != 44 {
		t.Errorf("%d groups", len(groups))
	}
}

// TestSetAfterAnError checks that a value that cannot be written changes nothing,
// and that a group which was broken off is followed by a whole value.
func TestSetAfterAnError(t *testing.T) {
	track := apitest.NewTrackRecorder(t.Context(), api.TrackRequest{})
	w := data.NewSnapshotWriter[any](track, &data.Options{MaxFrame: 100})
	set := func(v any) error { return w.Set(t.Context(), map[string]any{"a": 1, "v": v}) }
	ended, end := context.WithCancel(t.Context())
	end()
	if err := errors.Join(set(1), set(2)); err != nil {
		t.Fatal(err)
	}
	if set(func() {}) == nil {
		t.Error("a function was written")
	}
	if err := set(strings.Repeat("x", 100)); !errors.Is(err, api.ErrFrameTooLarge) {
		t.Error(err)
	}
	if err := w.Set(ended, 1); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	if err := set(3); err != nil {
		t.Fatal(err)
	}
	track.Groups()[0].Cancel(api.StreamOld)
	if err := set(4); err != nil {
		t.Fatal(err)
	}
	want := `{"a":1,"v":1} {"v":2} {"v":3} (too old)` + "\n" + `{"a":1,"v":4}` + "\n"
	if got := written(track); got != want {
		t.Errorf("written:\n%sand should be\n%s", got, want)
	}
}

func TestAppend(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		track := live.NewTrack(api.TrackInfo{Timescale: 1_000_000}, live.Limits{})
		w := data.NewLogWriter[int](track, nil)
		var appending sync.WaitGroup
		for i := range 100 {
			appending.Go(func() {
				if err := w.Append(t.Context(), i); err != nil {
					t.Error(err)
				}
			})
		}
		appending.Wait()
		if err := errors.Join(w.Close(), w.Close(), track.Close()); err != nil {
			t.Fatal(err)
		}
		if err := w.Append(t.Context(), 1); !errors.Is(err, api.ErrClosed) {
			t.Error(err)
		}
		reader := apitest.NewTrackRecorder(t.Context(), api.TrackRequest{})
		b := &live.Broadcast{OnTrack: func(api.TrackRequest) (*live.Track, error) { return track, nil }}
		b.ServeTrack(reader)
		seen := make(map[string]bool)
		for _, f := range reader.Groups()[0].Frames() {
			seen[string(f.Payload)] = true
			if want := track.Info().Timestamp(time.Now()); f.Timestamp != want {
				t.Errorf("timestamp %d, and should be %d", f.Timestamp, want)
			}
		}
		if len(reader.Groups()) != 1 || len(seen) != 100 {
			t.Errorf("%d groups, %d records", len(reader.Groups()), len(seen))
		}
	})
}
