package data_test

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/moqlite/moqlite/api"
	"github.com/moqlite/moqlite/api/apitest"
	"github.com/moqlite/moqlite/api/data"
	"github.com/moqlite/moqlite/api/media"
	"github.com/moqlite/moqlite/impl/live"
	"github.com/moqlite/moqlite/impl/moqtest"
)

// A partGroup begins at a later frame than 0.
type partGroup struct {
	api.GroupReader
	first uint64
}

func (g partGroup) FirstFrame() uint64 { return g.first }

// A oneByOne has no next group before the last one was read.
type oneByOne struct{ api.TrackReader }

func (t oneByOne) AcceptGroup(ctx context.Context) (api.GroupReader, error) {
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	return t.TrackReader.AcceptGroup(ctx)
}

// events returns what a loop over records yields.
func events(t *testing.T, r api.TrackReader, o *data.Options) string {
	var got []string
	for v, err := range data.Records[any](t.Context(), r, o) {
		if gap, lost := errors.AsType[*api.GapError](err); lost {
			got = append(got, fmt.Sprintf("lost %d-%d", gap.Start, gap.End))
		} else if err != nil {
			got = append(got, err.Error())
		} else {
			got = append(got, fmt.Sprint(v))
		}
	}
	return strings.Join(got, ", ")
}

func TestRecordsGoOn(t *testing.T) {
	frames := func(texts ...string) []api.Frame { return apitest.Frames(texts...) }
	lost := &api.SessionError{Err: errors.New("cable")}
	evicted := &api.StreamError{Code: api.StreamEvicted, Remote: true}
	for name, test := range map[string]struct {
		groups []api.GroupReader
		want   string
	}{
		"again from its beginning": {[]api.GroupReader{
			apitest.Group(3, lost, frames("1", "2")...), apitest.Group(3, nil, frames("1", "2", "3")...),
		}, "1, 2, 3"},
		"again from the next record": {[]api.GroupReader{
			apitest.Group(3, lost, frames("1", "2")...), partGroup{apitest.Group(3, nil, frames("3")...), 2},
		}, "1, 2, 3"},
		"again from a later record": {[]api.GroupReader{
			apitest.Group(3, lost, frames("1", "2")...), partGroup{apitest.Group(3, nil, frames("6")...), 5},
		}, "1, 2, lost 2-5, 6"},
		"not again": {[]api.GroupReader{apitest.Group(3, lost, frames("1", "2")...)}, "1, 2, lost 2-3"},
		"evicted":   {[]api.GroupReader{apitest.Group(3, evicted, frames("1", "2")...)}, "1, 2, lost 2-3"},
		"another log": {[]api.GroupReader{
			apitest.Group(3, nil, frames("1")...), apitest.Group(2, nil, frames("0")...), apitest.Group(4, nil, frames("7")...),
		}, "1, log: the track was restarted: a log is one group, and group 4 has come after group 3, 7"},
		"bad records": {[]api.GroupReader{apitest.Group(0, nil, frames(`1`, `{`, ``, `2 3`, ` 9007199254740993 `)...)},
			"1, log: record 1: unexpected EOF, log: record 2: unexpected EOF, log: record 3: there is something behind the JSON value, 9007199254740993"},
	} {
		t.Run(name, func(t *testing.T) {
			got := events(t, apitest.Track(api.TrackInfo{}, nil, test.groups...), nil)
			if got = strings.Replace(got, api.ErrRestarted.Error(), "the track was restarted", 1); got != test.want {
				t.Errorf("%s\nand should be\n%s", got, test.want)
			}
		})
	}
}

// TestDeflatedRecordsGoOn checks that a compressed log goes on in its stream, or
// from its beginning, and not in another place.
func TestDeflatedRecordsGoOn(t *testing.T) {
	track := apitest.NewTrackRecorder(t.Context(), api.TrackRequest{})
	o := &data.Options{Deflate: true}
	w := data.NewLogWriter[string](track, o)
	for i := range 5 {
		if err := w.Append(t.Context(), fmt.Sprint("record ", i)); err != nil {
			t.Fatal(err)
		}
	}
	frames := track.Groups()[0].Frames()
	lost := &api.SessionError{Err: errors.New("cable")}
	for first, want := range map[uint64]string{
		0: "record 0, record 1, record 2, record 3, record 4",
		2: "record 0, record 1, record 2, record 3, record 4",
		3: "record 0, record 1, lost 2-3",
	} {
		r := apitest.Track(api.TrackInfo{}, nil, apitest.Group(0, lost, frames[:2]...), partGroup{apitest.Group(0, nil, frames[first:]...), first})
		if got := events(t, r, o); got != want {
			t.Errorf("from %d: %s\nand should be\n%s", first, got, want)
		}
	}
}

// TestInflatingIsBounded checks that little is made of what would be large.
func TestInflatingIsBounded(t *testing.T) {
	track := apitest.NewTrackRecorder(t.Context(), api.TrackRequest{})
	w := data.NewLogWriter[string](track, &data.Options{Deflate: true})
	if err := w.Append(t.Context(), strings.Repeat("x", 10_000_000)); err != nil {
		t.Fatal(err)
	}
	frames := track.Groups()[0].Frames()
	for bound, want := range map[int]bool{10_000_001: false, 10_000_002: true} {
		r := apitest.Track(api.TrackInfo{}, nil, apitest.Group(0, nil, frames...))
		for v, err := range data.Records[string](t.Context(), r, &data.Options{Deflate: true, MaxFrame: bound}) {
			if ok := err == nil && len(v) == 10_000_000; ok != want || !ok && !errors.Is(err, api.ErrFrameTooLarge) {
				t.Errorf("with %d: %d bytes, %v", bound, len(v), err)
			}
		}
	}
}

func TestWindow(t *testing.T) {
	frames := func(texts ...string) []api.Frame { return apitest.Frames(texts...) }
	track := apitest.Track(api.TrackInfo{}, nil,
		apitest.Group(1, nil, frames(`{"offset":3,"start":4,"records":["e"]}`, `{"push":"f"}`, `{"pop":2}`, `{"push":7}`, `{"push":null}`, `{}`)...),
	)
	var got []string
	for e, err := range data.Window[any](t.Context(), track, nil) {
		got = append(got, fmt.Sprintf("%+v %v", e, err))
	}
	want := []string{
		"{Offset:0 Pushed:false Index:0 Record:<nil>} window: record 3 is lost",
		"{Offset:3 Pushed:true Index:4 Record:e} <nil>",
		"{Offset:3 Pushed:true Index:5 Record:f} <nil>",
		"{Offset:5 Pushed:false Index:0 Record:<nil>} <nil>",
		"{Offset:5 Pushed:true Index:6 Record:7} <nil>",
		"{Offset:5 Pushed:true Index:7 Record:<nil>} <nil>",
		"{Offset:0 Pushed:false Index:0 Record:<nil>} window: frame 5 of group 1: a frame of a window holds records, a push or a pop",
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("%s\nand should be\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

// TestWindowGoesOn checks what of a window is yielded when its group comes again,
// and when another group tells it whole.
func TestWindowGoesOn(t *testing.T) {
	frames := func(texts ...string) []api.Frame { return apitest.Frames(texts...) }
	lost := &api.SessionError{Err: errors.New("cable")}
	whole := `{"offset":0,"records":["a"]}`
	for name, groups := range map[string][]api.GroupReader{
		"a, b, c": {
			apitest.Group(1, lost, frames(whole, `{"push":"b"}`)...), partGroup{apitest.Group(1, nil, frames(`{"push":"c"}`)...), 2},
		},
		"b, lost, e, f": {
			apitest.Group(1, nil, frames(`{"offset":1,"records":["b"]}`)...), apitest.Group(2, nil, frames(`{"offset":4,"records":["e","f"]}`)...),
		},
		"a, b, c, ": { // and another offset
			apitest.Group(1, nil, frames(whole, `{"push":"b"}`, `{"push":"c"}`)...), apitest.Group(2, nil, frames(`{"offset":1,"records":["b","c"]}`)...),
		},
		"a, b, c ": {
			apitest.Group(1, lost, frames(whole, `{"push":"b"}`)...), apitest.Group(1, nil, frames(whole, `{"push":"b"}`, `{"push":"c"}`)...),
		},
	} {
		var got []string
		track := oneByOne{apitest.Track(api.TrackInfo{}, nil, groups...)}
		for e, err := range data.Window[string](t.Context(), track, nil) {
			if gap, lost := errors.AsType[*api.GapError](err); lost && gap.Start == 2 && gap.End == 4 {
				e.Record = "lost"
			} else if err != nil {
				t.Errorf("%s: %v", name, err)
			}
			got = append(got, e.Record)
		}
		if strings.TrimSpace(strings.Join(got, ", ")) != strings.TrimSpace(name) {
			t.Errorf("%q, and should be %s", got, name)
		}
	}
}

// TestOpen reads tracks that the catalog alone describes.
func TestOpen(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := &live.Broadcast{}
		mux := api.NewTrackMux()
		if err := mux.Publish(t.Context(), "robot/7", b); err != nil {
			t.Fatal(err)
		}
		o := &data.Options{Deflate: true}
		state := data.NewSnapshotWriter[map[string]int](b.Track("state", api.TrackInfo{}), o)
		events := data.NewLogWriter[string](b.Track("events", api.TrackInfo{}), nil)
		catalog := media.Catalog{JSON: map[api.TrackName]media.DataTrack{
			"state":  {Mode: "snapshot", Compression: "deflate"},
			"events": {Mode: "stream"},
			"other":  {Mode: "stream", Compression: "zstd"},
		}}
		err := media.NewCatalogWriter(b.Track("catalog.json", api.TrackInfo{})).Update(t.Context(), &catalog)
		err = errors.Join(err, state.Set(t.Context(), map[string]int{"a": 1, "b": 2}), state.Set(t.Context(), map[string]int{"a": 1, "b": 3}))
		err = errors.Join(err, events.Append(t.Context(), "one"), events.Append(t.Context(), "two"), events.Close())
		if err != nil {
			t.Fatal(err)
		}
		server := moqtest.NewServer(mux)
		defer server.Close()
		s, err := server.Client().Dial(t.Context(), server.URL, nil)
		if err != nil {
			t.Fatal(err)
		}
		states, err := data.OpenSnapshot[map[string]int](t.Context(), s, "robot/7", "state")
		if err != nil {
			t.Fatal(err)
		}
		for v, err := range states {
			if err != nil || v["a"] != 1 {
				t.Errorf("%v, %v", v, err)
			}
			if v["b"] == 3 {
				break
			}
		}
		log, err := data.OpenLog[string](t.Context(), s, "robot/7", "events")
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for v, err := range log {
			if got = append(got, v); err != nil {
				t.Error(err)
			}
			if v == "two" {
				break
			}
		}
		if !reflect.DeepEqual(got, []string{"one", "two"}) {
			t.Errorf("%q", got)
		}
		for name, want := range map[api.TrackName]error{"nothing": api.ErrNotFound, "other": api.ErrNotSupported, "state": api.ErrNotSupported} {
			if _, err := data.OpenLog[string](t.Context(), s, "robot/7", name); !errors.Is(err, want) {
				t.Errorf("%s: %v", name, err)
			}
		}
		_ = b.Close()
	})
}
