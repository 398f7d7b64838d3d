package data_test

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"os"
	"reflect"
	"testing"

	"github.com/moqlite/moqlite/api"
	"github.com/moqlite/moqlite/api/apitest"
	"github.com/moqlite/moqlite/api/data"
)

// A vectorTrack is a track as it was published by another implementation.
type vectorTrack struct {
	Source, Track, Mode, Compression string
	Frames                           []struct {
		Group   api.GroupSequence
		Frame   int
		Payload string // in hex
		JSON    string // what it inflates to
		Value   json.RawMessage
	}
}

// groups returns the track's groups, with the first n of its frames.
func (v *vectorTrack) groups(t *testing.T, n int) []api.GroupReader {
	t.Helper()
	var groups []api.GroupReader
	var frames []api.Frame
	for i, f := range v.Frames[:n] {
		payload, err := hex.DecodeString(f.Payload)
		if err != nil {
			t.Fatal(err)
		}
		frames = append(frames, api.Frame{Payload: payload})
		if i+1 == n || v.Frames[i+1].Group != f.Group {
			groups = append(groups, apitest.Group(f.Group, nil, frames...))
			frames = nil
		}
	}
	return groups
}

// TestVectors reads what others have published, frame by frame.
func TestVectors(t *testing.T) {
	text, err := os.ReadFile("testdata/json-tracks.json")
	if err != nil {
		t.Fatal(err)
	}
	var vectors struct{ Tracks []vectorTrack }
	if err := json.Unmarshal(text, &vectors); err != nil {
		t.Fatal(err)
	}
	for _, v := range vectors.Tracks {
		t.Run(v.Source+"/"+v.Track, func(t *testing.T) {
			switch v.Mode {
			case "snapshot":
				v.testSnapshots(t)
			case "stream":
				v.testRecords(t)
			case "window":
				v.testWindow(t)
			default:
				t.Errorf("mode %q", v.Mode)
			}
		})
	}
}

func (v *vectorTrack) options() *data.Options {
	return &data.Options{Deflate: v.Compression == "deflate"}
}

func (v *vectorTrack) testSnapshots(t *testing.T) {
	for n := range len(v.Frames) {
		track := apitest.Track(api.TrackInfo{}, nil, v.groups(t, n+1)...)
		var last any
		for value, err := range data.Snapshots[any](t.Context(), track, v.options()) {
			if err != nil {
				t.Fatal(err)
			}
			last = value
		}
		want := v.Frames[n].Value
		if want == nil {
			want = json.RawMessage(v.Frames[n].JSON) // a whole one
		}
		if !reflect.DeepEqual(last, decode(t, want)) {
			t.Errorf("after frame %d: %v, and should be %s", n, last, want)
		}
	}
}

func (v *vectorTrack) testRecords(t *testing.T) {
	track := apitest.Track(api.TrackInfo{}, nil, v.groups(t, len(v.Frames))...)
	n := 0
	for record, err := range data.Records[any](t.Context(), track, v.options()) {
		if err != nil {
			t.Fatal(err)
		}
		if want := decode(t, []byte(v.Frames[n].JSON)); !reflect.DeepEqual(record, want) {
			t.Errorf("record %d is %v, and should be %v", n, record, want)
		}
		n++
	}
	if n != len(v.Frames) {
		t.Errorf("%d records of %d", n, len(v.Frames))
	}
}

func decode(t *testing.T, text []byte) (v any) {
	t.Helper()
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	if err := d.Decode(&v); err != nil {
		t.Fatal(err)
	}
	return v
}

func (v *vectorTrack) testWindow(t *testing.T) {
	track := apitest.Track(api.TrackInfo{}, nil, v.groups(t, len(v.Frames))...)
	var got []any
	for event, err := range data.Window[any](t.Context(), track, v.options()) {
		if err != nil {
			t.Fatal(err)
		}
		if !event.Pushed || event.Offset != 0 || event.Index != uint64(len(got)) {
			t.Errorf("event %+v", event)
		}
		got = append(got, event.Record)
	}
	var want []any
	for _, f := range v.Frames {
		frame := decode(t, []byte(f.JSON)).(map[string]any)
		if records, whole := frame["records"].([]any); whole {
			want = append(want, records...)
		} else {
			want = append(want, frame["push"])
		}
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("records %v, and should be %v", got, want)
	}
}
