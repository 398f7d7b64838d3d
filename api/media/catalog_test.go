package media_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/moqlite/moqlite/api"
	"github.com/moqlite/moqlite/api/media"
)

// A published document is one that a real program has published.
type published struct {
	Source, Track string
	Group         int
	Document      string
	Expect        struct {
		Video, Audio map[api.TrackName]struct {
			Codec, Container string
			DescriptionBytes *int `json:"description_bytes"`
		}
		JSON, Binary  map[api.TrackName]struct{ Mode, Compression string }
		OtherRootKeys []string `json:"other_root_keys"`
		Tracks        []api.TrackName
	}
}

func publishedDocuments(t testing.TB, track string) (documents []published) {
	var v struct{ Catalogs []published }
	vectors(t, "catalogs.json", &v)
	for _, doc := range v.Catalogs {
		if doc.Track == track {
			documents = append(documents, doc)
		}
	}
	if len(documents) < 5 {
		t.Fatalf("catalogs.json has %d documents of %s", len(documents), track)
	}
	return documents
}

// TestCatalogsOfPublishers reads what real programs have published: nothing is
// wrong with it, and what is written of it is read as the same.
func TestCatalogsOfPublishers(t *testing.T) {
	for _, doc := range publishedDocuments(t, "catalog.json") {
		t.Run(fmt.Sprintf("%s/%d", doc.Source, doc.Group), func(t *testing.T) {
			c := readAll(t, doc.Document)
			if len(c.Video.Renditions) != len(doc.Expect.Video) || len(c.Audio.Renditions) != len(doc.Expect.Audio) {
				t.Errorf("it has %d and %d renditions", len(c.Video.Renditions), len(c.Audio.Renditions))
			}
			for name, expect := range doc.Expect.Video {
				got := c.Video.Renditions[name]
				checkRendition(t, name, got.Codec, got.Container, got.Description, expect.Codec, expect.Container, expect.DescriptionBytes)
			}
			for name, expect := range doc.Expect.Audio {
				got := c.Audio.Renditions[name]
				checkRendition(t, name, got.Codec, got.Container, got.Description, expect.Codec, expect.Container, expect.DescriptionBytes)
				if got.SampleRate != 48000 || got.Channels == 0 {
					t.Errorf("audio %s: %d Hz, %d channels", name, got.SampleRate, got.Channels)
				}
			}
			for name, expect := range doc.Expect.JSON {
				if got := c.JSON[name]; got.Mode != expect.Mode || got.Compression != expect.Compression {
					t.Errorf("json %s is %+v", name, got)
				}
			}
			if got := rootKeys(c); !slices.Equal(got, doc.Expect.OtherRootKeys) {
				t.Errorf("its other keys are %q, and should be %q", got, doc.Expect.OtherRootKeys)
			}
			if again := readAll(t, string(write(t, c))); !reflect.DeepEqual(again, c) {
				t.Errorf("written and read again it is\n%+v, and was\n%+v", again, c)
			}
		})
	}
}

func checkRendition(t *testing.T, name api.TrackName, codec string, container media.Container, description []byte, wantCodec, wantContainer string, size *int) {
	t.Helper()
	if codec != wantCodec || container.Kind.String() != wantContainer || (container.Init != nil) != (wantContainer == "cmaf") {
		t.Errorf("%s is %s in %+v", name, codec, container)
	}
	if (description == nil) != (size == nil) || size != nil && len(description) != *size {
		t.Errorf("the description of %s has %d bytes", name, len(description))
	}
}

// rootKeys returns the keys of a catalog other than those of its tracks.
func rootKeys(c *media.Catalog) []string {
	keys := slices.Collect(maps.Keys(c.Extra))
	if c.Archive != nil {
		keys = append(keys, "archive")
	}
	if c.Clock != nil {
		keys = append(keys, "clock")
	}
	slices.Sort(keys)
	return keys
}

// compact returns a document without white space: what is not known of it is
// written so.
func compact(doc string) []byte {
	var b bytes.Buffer
	if json.Compact(&b, []byte(doc)) != nil {
		return []byte(doc)
	}
	return b.Bytes()
}

// readAll reads a document with which nothing is wrong.
func readAll(t testing.TB, doc string) *media.Catalog {
	t.Helper()
	c, told, err := media.ParseCatalog(compact(doc))
	if err != nil || len(told) > 0 {
		t.Fatalf("%s: %q, %v", doc, told, err)
	}
	return c
}

func write(t testing.TB, c *media.Catalog) []byte {
	t.Helper()
	doc, err := c.Append(nil)
	if err != nil {
		t.Fatal(err)
	}
	return doc
}

// TestCatalogsOfReaders reads documents of which it is known whether three real
// readers take them: what all take can be written again, and is the same; and
// nothing is written that one of them refuses.
func TestCatalogsOfReaders(t *testing.T) {
	var v struct {
		Documents []struct {
			Name, Document string
			AllAccept      bool `json:"all_accept"`
		}
	}
	vectors(t, "catalog-acceptance.json", &v)
	for _, doc := range v.Documents {
		t.Run(doc.Name, func(t *testing.T) {
			c, told, err := media.ParseCatalog(compact(doc.Document))
			switch doc.Name {
			case "root null", "not JSON":
				if !errors.Is(err, media.ErrCatalog) {
					t.Errorf("it is read: %v", err)
				}
				return
			case "container unknown kind": // what it holds cannot be told
				if err != nil || len(told) != 2 || len(c.Video.Renditions) != 0 || len(c.Audio.Renditions) != 1 {
					t.Errorf("%+v, %q, %v", c, told, err)
				}
				return
			case "broadcast escapes root": // nobody knows where the root is
				doc.AllAccept = true
			case "65 renditions":
				if _, err := c.Append(nil); !errors.Is(err, media.ErrCatalog) || len(told) != 1 {
					t.Errorf("it is written: %v, %q", err, told)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if doc.AllAccept != (len(told) == 0) {
				t.Errorf("of it is told %q", told)
			}
			if _, told, err := media.ParseCatalog(write(t, c)); err != nil || len(told) > 0 {
				t.Errorf("of what is written of it is told %q, %v", told, err)
			}
			if again := readAll(t, string(write(t, c))); !reflect.DeepEqual(again, c) {
				t.Errorf("written and read again it is\n%+v, and was\n%+v", again, c)
			}
		})
	}
}

// TestParseIsSoft reads documents with something wrong: what is wrong is told,
// and the rest is read.
func TestParseIsSoft(t *testing.T) {
	const audio = `"audio":{"renditions":{"a":{"codec":"opus","sampleRate":48000,"numberOfChannels":2}}}`
	for _, test := range []struct {
		doc, told string
		video     int
	}{
		{`{` + audio + `,"video":null}`, "catalog: video is null: leave it out", 0},
		{`{` + audio + `,"video":[1]}`, "video: it is [1]: an object is wanted", 0},
		{`{` + audio + `,"video":{"renditions":{"v":7}}}`, `video rendition "v": it is 7: an object is wanted`, 0},
		{`{` + audio + `,"video":{"renditions":{"v":{"codec":7}}}}`, `video rendition "v": codec is 7: a string is wanted`, 0},
		{`{` + audio + `,"video":{"renditions":{"v":{"codec":""}}}}`, `video rendition "v": codec is wanted`, 0},
		{`{` + audio + `,"video":{"renditions":{"v":{"codec":"avc1.4d40"}}}}`, `video rendition "v": codec is "avc1.4d40": after the dot there are six hex digits, such as "avc1.64001f"`, 1},
		{`{` + audio + `,"video":{"renditions":{"v":{"codec":"vp8","Codec":"h"}}}}`, "", 1},
		{`{` + audio + `,"video":{"renditions":{"v":{"codec":"vp8","jitter":33.4}}}}`, `video rendition "v": jitter is 33.4: whole milliseconds are wanted`, 1},
		{`{` + audio + `,"video":{"renditions":{"v":{"codec":"vp8","jitter":1e300}}}}`, `video rendition "v": jitter is 1e300: whole milliseconds are wanted`, 1},
		{`{` + audio + `,"video":{"renditions":{"v":{"codec":"vp8","bitrate":1e999999999}}}}`, `video rendition "v": bitrate is 1e999999999: an integer from 0 to 9007199254740991 is wanted`, 1},
		{`{` + audio + `,"video":{"renditions":{"v":{"codec":"vp8","displayAspectWidth":4}}}}`, `video rendition "v": displayAspectWidth and displayAspectHeight are wanted together`, 1},
		{`{` + audio + `,"video":{"renditions":{"v":{"codec":"vp8","optimizeForLatency":1}}}}`, `video rendition "v": optimizeForLatency is 1: true or false is wanted`, 1},
		{`{` + audio + `,"video":{"renditions":{"v":{"codec":"vp8","timeline":{}}}}}`, `video rendition "v": timeline is {}: an object is wanted with a "track", a "timescale" and perhaps a "wall"`, 1},
		{`{` + audio + `,"video":{"renditions":{"v":{"codec":"vp8","container":{}}}}}`, `video rendition "v": container is {}: its kind is not known`, 0},
		{`{` + audio + `,"archive":{}}`, "archive: track is wanted: it is left out", 0},
		{`{` + audio + `,"clock":{"wall":9007199254740992}}`, "clock: wall is 9007199254740992: an integer from 0 to 9007199254740991 is wanted", 0},
		{`{` + audio + `,"clock":{"wall":1,"timescale":0}}`, "clock: it is left out: a wall is wanted, and a timescale above 0 if there is one", 0},
		{`{` + audio + `,"json":{"tracks":{"chat":{}}}}`, `json track "chat": mode is wanted`, 0},
		{`{` + audio + `,"video":{"renditions":{"\ud800":{"codec":"vp8"}}}}`, "", 1},
		{"\ufeff{" + audio + "}", "it begins with a byte order mark: leave it out", 0},
		{"{" + audio + ",\"x\":\"\xff\"}", "it is not UTF-8", 0},
	} {
		c, told, err := media.ParseCatalog([]byte(test.doc))
		if err != nil {
			t.Errorf("%s: %v", test.doc, err)
			continue
		}
		if len(c.Audio.Renditions) != 1 || len(c.Video.Renditions) != test.video {
			t.Errorf("%s: it is read as %+v", test.doc, c)
		}
		if test.told == "" {
			if len(told) > 0 {
				t.Errorf("%s: of it is told %q", test.doc, told)
			}
		} else if len(told) == 0 || told[0].Error() != "bad catalog: "+test.told || !errors.Is(told[0], media.ErrCatalog) {
			t.Errorf("%s: of it is told %q, and should be %q", test.doc, told, test.told)
		}
	}
}

// TestParseTellsLittle reads a document that is nothing but faults.
func TestParseTellsLittle(t *testing.T) {
	doc := `{"video":{"renditions":{` + strings.Repeat(`"v":1,`, 10_000)
	for i := range 10_000 {
		doc += fmt.Sprintf(`"%d":1,`, i)
	}
	_, told, err := media.ParseCatalog([]byte(doc + `"last":1}}}`))
	if err != nil || len(told) != 100 {
		t.Errorf("%d faults are told, %v", len(told), err)
	}
}

// TestParseReadsNotTooMany reads a document of more tracks than anybody has.
func TestParseReadsNotTooMany(t *testing.T) {
	var doc strings.Builder
	doc.WriteString(`{"json":{"tracks":{`)
	for i := range 11_000 {
		fmt.Fprintf(&doc, `"%d":{"mode":"stream"},`, i)
	}
	doc.WriteString(`"last":{"mode":"stream"}}}}`)
	c, told, err := media.ParseCatalog([]byte(doc.String()))
	if err != nil || len(told) != 1 || len(c.JSON) != 10_000 {
		t.Errorf("%d tracks are read: %q, %v", len(c.JSON), told, err)
	}
}

// TestOldForms reads catalogs as hang once had them.
func TestOldForms(t *testing.T) {
	c, told, err := media.ParseCatalog([]byte(`{
		"video":[{"track":{"name":"hd","priority":1},"config":{"codec":"vp8","displayRatioWidth":16,"displayRatioHeight":9}},{"track":{"name":"sd"},"config":{"codec":"vp8"}}],
		"audio":{"track":{"name":"a"},"config":{"codec":"opus","sampleRate":48000,"numberOfChannels":2}}
	}`))
	if err != nil || len(told) != 2 {
		t.Errorf("of it is told %q, %v", told, err)
	}
	want := &media.Catalog{
		Video: media.Video{Renditions: map[api.TrackName]media.VideoRendition{
			"hd": {Codec: "vp8", DisplayAspect: media.Size{Width: 16, Height: 9}},
			"sd": {Codec: "vp8"},
		}},
		Audio: media.Audio{Renditions: map[api.TrackName]media.AudioRendition{
			"a": {Codec: "opus", SampleRate: 48000, Channels: 2},
		}},
	}
	if !reflect.DeepEqual(c, want) {
		t.Errorf("it is read as\n%+v, and should be\n%+v", c, want)
	}
}

// everything is a catalog in which every field is set.
func everything() *media.Catalog {
	extra := func() map[string]json.RawMessage {
		return map[string]json.RawMessage{"constructor": json.RawMessage(`{"__proto__":[9007199254740993,null,"<é>"]}`)}
	}
	cmaf := media.Container{Kind: media.CMAF, Init: []byte("init"), Raw: json.RawMessage(`{"init":"aW5pdA==","kind":"cmaf","x":1}`)}
	return &media.Catalog{
		Video: media.Video{
			Renditions: map[api.TrackName]media.VideoRendition{"": {
				Codec: "avc1.64001F", Container: cmaf, Description: []byte{1, 0x4d, 0xff},
				CodedSize: media.Size{Width: 1920, Height: 1080}, DisplayAspect: media.Size{Width: 16, Height: 9}, Framerate: 29.97,
				Bitrate: 1<<53 - 1, Jitter: 34 * time.Millisecond, Delay: time.Second, Label: "Main <1>", Stalled: true, Broadcast: "../b",
				Extra: map[string]json.RawMessage{"optimizeForLatency": json.RawMessage("false"), "timeline": json.RawMessage(`{"timescale":1000,"track":"t","wall":5}`)},
			}, "empty": {Codec: "x", Description: []byte{}}},
			Display: media.Size{Width: 1280, Height: 720}, Rotation: -90, Flip: true, Extra: extra(),
		},
		Audio: media.Audio{
			Renditions: map[api.TrackName]media.AudioRendition{"audio/é": {
				Codec: "mp4a.40.2", Container: media.Container{Kind: media.LOC}, Description: []byte{0x11, 0x90}, SampleRate: 48000, Channels: 2,
				Bitrate: 64000, Jitter: 20 * time.Millisecond, Delay: time.Millisecond, Label: "Deutsch", Broadcast: "./b", Extra: extra(),
			}},
			Extra: extra(),
		},
		Text: media.Text{
			Renditions: map[api.TrackName]media.TextRendition{"t": {
				Format: "vtt", Role: "caption", Lang: "de", Label: "x", Jitter: time.Second, Delay: time.Second, Broadcast: "b", Extra: extra(),
			}},
			Extra: extra(),
		},
		JSON: map[api.TrackName]media.DataTrack{"j": {
			Mode: "snapshot", Compression: "deflate", Schema: "https://example.com/s", Bitrate: 1, Jitter: time.Second, Delay: time.Second, Broadcast: "b", Extra: extra(),
		}},
		Binary:  map[api.TrackName]media.DataTrack{"thumb": {Mode: "snapshot", Mime: "image/jpeg"}},
		Clock:   &media.Clock{Wall: 218215032421798, Timescale: 1000000, Extra: extra()},
		Archive: &media.Archive{Track: "timeline.z", Timescale: 1000, DurationMax: 1, Replay: "./r", Store: "https://example.com/", Version: 1, Extra: extra()},
		Extra:   map[string]json.RawMessage{"json": json.RawMessage(`{"x":1}`), "com.example": json.RawMessage(`[1.50]`)},
	}
}

// TestAppendEverything writes a catalog in which every field is set, twice the
// same, and reads it.
func TestAppendEverything(t *testing.T) {
	c := everything()
	doc, err := c.Append([]byte("before"))
	if err != nil {
		t.Fatal(err)
	}
	again, err := everything().Append(nil)
	if err != nil || string(doc) != "before"+string(again) {
		t.Errorf("it is\n%s, and again\n%s, %v", doc, again, err)
	}
	if read := readAll(t, string(again)); !reflect.DeepEqual(read, c) {
		t.Errorf("%s is read as\n%+v, and was\n%+v", again, read, c)
	}
}

// TestAppendLeavesOut writes little of what is zero, and rounds up.
func TestAppendLeavesOut(t *testing.T) {
	for want, c := range map[string]*media.Catalog{
		`{}`: {},
		`{"audio":{"renditions":{"a":{"codec":"opus","container":{"kind":"legacy"},"jitter":24,"numberOfChannels":1,"sampleRate":44100}}}}`: {
			Video: media.Video{Renditions: map[api.TrackName]media.VideoRendition{}},
			Audio: media.Audio{Renditions: map[api.TrackName]media.AudioRendition{"a": {Codec: "opus", SampleRate: 44100, Channels: 1, Jitter: 23_220 * time.Microsecond}}},
		},
		`{"video":{"renditions":{},"rotation":90}}`: {Video: media.Video{Rotation: 90}},
		`{"clock":{"wall":0}}`:                      {Clock: &media.Clock{}},
		`{"text":"hello"}`:                          {Extra: map[string]json.RawMessage{"text": json.RawMessage(`"hello"`)}},
	} {
		if got, err := c.Append(nil); err != nil || string(got) != want {
			t.Errorf("%s, %v is written, and should be %s", got, err, want)
		}
	}
}

// TestAppendIsStrict writes what readers refuse.
func TestAppendIsStrict(t *testing.T) {
	video := func(change func(*media.VideoRendition)) func(*media.Catalog) {
		return func(c *media.Catalog) {
			v := media.VideoRendition{Codec: "vp8"}
			change(&v)
			c.Video.Renditions = map[api.TrackName]media.VideoRendition{"v": v}
		}
	}
	audio := func(change func(*media.AudioRendition)) func(*media.Catalog) {
		return func(c *media.Catalog) {
			a := media.AudioRendition{Codec: "opus", SampleRate: 48000, Channels: 2}
			change(&a)
			c.Audio.Renditions = map[api.TrackName]media.AudioRendition{"a": a}
		}
	}
	root := func(key, value string) func(*media.Catalog) {
		return func(c *media.Catalog) { c.Extra[key] = json.RawMessage(value) }
	}
	for want, change := range map[string]func(*media.Catalog){
		`codec is ""`: video(func(v *media.VideoRendition) { v.Codec = "" }),
		`video rendition "v": codec is "av01.3.04M.08"`: video(func(v *media.VideoRendition) { v.Codec = "av01.3.04M.08" }),
		`codec is "hvc1.1.6"`:                           video(func(v *media.VideoRendition) { v.Codec = "hvc1.1.6" }),
		`codec is "vp09.0"`:                             video(func(v *media.VideoRendition) { v.Codec = "vp09.0" }),
		`codec is "mp4a.40.x"`:                          audio(func(a *media.AudioRendition) { a.Codec = "mp4a.40.x" }),
		`sampleRate is 0: set it`:                       audio(func(a *media.AudioRendition) { a.SampleRate = 0 }),
		`numberOfChannels is -1`:                        audio(func(a *media.AudioRendition) { a.Channels = -1 }),
		`container: kind is 9`:                          audio(func(a *media.AudioRendition) { a.Container.Kind = 9 }),
		`init is empty`:                                 video(func(v *media.VideoRendition) { v.Container.Kind = media.CMAF }),
		`Init is set`:                                   video(func(v *media.VideoRendition) { v.Container.Init = []byte{1} }),
		`Raw is 7`:                                      video(func(v *media.VideoRendition) { v.Container.Raw = json.RawMessage("7") }),
		`codedWidth is -1`:                              video(func(v *media.VideoRendition) { v.CodedSize.Width = -1 }),
		`codedHeight is 4294967296`:                     video(func(v *media.VideoRendition) { v.CodedSize.Height = 1 << 32 }),
		`displayAspectHeight 0: set both`:               video(func(v *media.VideoRendition) { v.DisplayAspect.Width = 1 }),
		`framerate is NaN`:                              video(func(v *media.VideoRendition) { v.Framerate = math.NaN() }),
		`framerate is -1`:                               video(func(v *media.VideoRendition) { v.Framerate = -1 }),
		`bitrate is 9007199254740992`:                   video(func(v *media.VideoRendition) { v.Bitrate = 1 << 53 }),
		`jitter is -1ns`:                                video(func(v *media.VideoRendition) { v.Jitter = -1 }),
		`delay is -1s`:                                  audio(func(a *media.AudioRendition) { a.Delay = -time.Second }),
		`label is "\xff", which is not UTF-8`:           audio(func(a *media.AudioRendition) { a.Label = "\xff" }),
		`Extra has "codec"`:                             video(func(v *media.VideoRendition) { v.Extra = map[string]json.RawMessage{"codec": nil} }),
		`Extra has "jitter"`:                            video(func(v *media.VideoRendition) { v.Extra = map[string]json.RawMessage{"jitter": nil} }),
		`Extra["optimizeForLatency"] is "x"`: video(func(v *media.VideoRendition) {
			v.Extra = map[string]json.RawMessage{"optimizeForLatency": json.RawMessage(`"x"`)}
		}),
		`Extra["x"] is {: it is not JSON`:             root("x", "{"),
		`Extra["x"] is 1e400: the number 1e400`:       root("x", "1e400"),
		`it is nested more than 100 deep`:             root("x", strings.Repeat("[", 200)+strings.Repeat("]", 200)),
		`Extra has "video": set the field`:            root("video", "{}"),
		`Extra["json"] has tracks: set the field`:     root("json", `{"tracks":{"chat":{}}}`),
		`Extra["text"] has renditions: set the field`: root("text", `{"renditions":{}}`),
		`json track "j": mode is empty`:               func(c *media.Catalog) { c.JSON = map[api.TrackName]media.DataTrack{"j": {}} },
		`text rendition "t": format is empty`:         func(c *media.Catalog) { c.Text.Renditions = map[api.TrackName]media.TextRendition{"t": {}} },
		`clock: wall is 9007199254740992`:             func(c *media.Catalog) { c.Clock = &media.Clock{Wall: 1 << 53} },
		`clock: timescale is 4294967296`:              func(c *media.Catalog) { c.Clock = &media.Clock{Timescale: 1 << 32} },
		`archive: track is empty`:                     func(c *media.Catalog) { c.Archive = &media.Archive{} },
		`archive: store is "x"`:                       func(c *media.Catalog) { c.Archive = &media.Archive{Track: "t", Store: "x"} },
		`its name: `:                                  func(c *media.Catalog) { c.JSON = map[api.TrackName]media.DataTrack{"\xff": {Mode: "stream"}} },
		`Extra["json"] is 7 beside tracks`: func(c *media.Catalog) {
			c.JSON = map[api.TrackName]media.DataTrack{"j": {Mode: "stream"}}
			c.Extra["json"] = json.RawMessage("7")
		},
		`there are 65 renditions`: func(c *media.Catalog) {
			c.Video.Renditions = make(map[api.TrackName]media.VideoRendition)
			for i := range 65 {
				c.Video.Renditions[api.TrackName(fmt.Sprint(i))] = media.VideoRendition{Codec: "vp8"}
			}
		},
	} {
		c := &media.Catalog{Extra: make(map[string]json.RawMessage)}
		change(c)
		doc, err := c.Append([]byte("before"))
		if !errors.Is(err, media.ErrCatalog) || !strings.Contains(err.Error(), want) || string(doc) != "before" {
			t.Errorf("%s, %v instead of %q", doc, err, want)
		}
	}
}

func TestClock(t *testing.T) {
	began := time.Date(2026, time.May, 1, 12, 0, 0, 0, time.UTC)
	clock := media.ClockAt(began)
	if at, ok := clock.Time(90 * time.Second); !ok || !at.Equal(began.Add(90*time.Second)) {
		t.Errorf("90 s after %v it is %v, %t", began, at, ok)
	}
	if at, ok := (&media.Clock{Wall: 1000}).Time(0); !ok || at.Nanosecond() != 1_000_000 {
		t.Errorf("1000 µs after the epoch it is %v, %t", at, ok)
	}
	if at, ok := (&media.Clock{Wall: 1<<53 - 1, Timescale: 1}).Time(0); ok {
		t.Errorf("it is %v", at)
	}
	if early := media.ClockAt(time.Time{}); early.Wall != 0 {
		t.Errorf("before 2020 it is %d", early.Wall)
	}
}

func TestResolveBroadcast(t *testing.T) {
	for _, test := range []struct {
		base     api.BroadcastPath
		relative string
		want     api.BroadcastPath
	}{
		{"room/cam.hang", "", "room/cam.hang"},
		{"room/cam.hang", "./source", "room/source"},
		{"room/cam.hang", "source/hd", "room/source/hd"},
		{"room/cam.hang", "/x", "room/x"},
		{"room/cam.hang", "..", ""},
		{"room/cam.hang", "../b", "b"},
		{"cam.hang", "b", "b"},
	} {
		if got, err := media.ResolveBroadcast(test.base, test.relative); err != nil || got != test.want {
			t.Errorf("%q at %q is %q, %v", test.relative, test.base, got, err)
		}
	}
	if got, err := media.ResolveBroadcast("room/cam.hang", "../../b"); !errors.Is(err, media.ErrCatalog) {
		t.Errorf("above the root is %q, %v", got, err)
	}
}

// TestCodecs tells of the strings that real publishers write nothing bad, which
// readers refuse or take.
func TestCodecs(t *testing.T) {
	for _, codec := range []string{
		"avc1.64001f", "avc3.4D400B", "avc1", "hvc1.1.6.L93.B0", "hev1.A4.41.H120.B0.23", "hvc1.2.4.L150", "vp8", "vp09.00.10.08",
		"vp09.02.10.10.01.09.16.09.01", "av01.0.04M.08", "av01.2.04H.10.0.112.09.16.09.0", "opus", "mp4a.40.2", "mp4a.40.02", "mp4a", "flac", "ac-3", "future.1",
	} {
		c := &media.Catalog{Video: media.Video{Renditions: map[api.TrackName]media.VideoRendition{"v": {Codec: codec}}}}
		if _, err := c.Append(nil); err != nil {
			t.Error(err)
		}
	}
	for _, codec := range []string{
		"avc1.", "avc1.64001", "avc3.64001g", "hvc1.1", "hvc1.1.6.93", "hvc1.1.6.L93.B0.0.0.0.0.0.0", "hev1.256.6.L93", "hvc1.1.x.L93", "hvc1..6.L93",
		"vp09.00.10", "vp09.00.10.08.01", "vp09.00.10.256", "av01.0.4M.08", "av01.0.04X.08", "av01.0.04M.8", "av01.0.04M.08.0", "av01.0.04M.08.0.119.01.01.01.0", "mp4a.40.", "mp4a.40.256",
	} {
		c := &media.Catalog{Video: media.Video{Renditions: map[api.TrackName]media.VideoRendition{"v": {Codec: codec}}}}
		if doc, err := c.Append(nil); !errors.Is(err, media.ErrCatalog) {
			t.Errorf("%s is written", doc)
		}
	}
}
