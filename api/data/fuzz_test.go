package data_test

import (
	"testing"

	"github.com/moqlite/moqlite/api"
	"github.com/moqlite/moqlite/api/apitest"
	"github.com/moqlite/moqlite/api/data"
)

// FuzzInflate reads compressed frames of any bytes, in each mode, and checks that
// nothing that is read is above the bound.
func FuzzInflate(f *testing.F) {
	track := apitest.NewTrackRecorder(f.Context(), api.TrackRequest{})
	w := data.NewSnapshotWriter[map[string]int](track, &data.Options{Deflate: true})
	for i := range 2 {
		if err := w.Set(f.Context(), map[string]int{"a": i, "b": 7}); err != nil {
			f.Fatal(err)
		}
	}
	frames := track.Groups()[0].Frames()
	f.Add(frames[0].Payload, frames[1].Payload)
	f.Add([]byte("\x4b\x4c\x04\x82"), []byte{})                    // a stream that ends
	f.Add([]byte("\x01\x01\x00\xfe\xff1"), []byte("\x00\x00\x00")) // stored, cut off
	f.Fuzz(func(t *testing.T, one, two []byte) {
		o := &data.Options{Deflate: true, MaxFrame: 1000}
		open := func() api.TrackReader {
			return apitest.Track(api.TrackInfo{}, nil, apitest.Group(0, nil, api.Frame{Payload: one}, api.Frame{Payload: two}))
		}
		check := func(v any, err error) {
			if text, ok := v.(string); ok && len(text) > o.MaxFrame {
				t.Errorf("%d bytes, %v", len(text), err)
			}
		}
		for v, err := range data.Records[any](t.Context(), open(), o) {
			check(v, err)
		}
		for v, err := range data.Snapshots[any](t.Context(), open(), o) {
			check(v, err)
		}
		for e, err := range data.Window[any](t.Context(), open(), o) {
			check(e.Record, err)
		}
	})
}
