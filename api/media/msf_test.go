package media_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/moqlite/moqlite/api"
	"github.com/moqlite/moqlite/api/media"
)

// TestMSFOfPublishers reads what real programs have published: only that their
// jitter has a fraction is wrong with it. What is written of it is read as the
// same.
func TestMSFOfPublishers(t *testing.T) {
	for _, doc := range publishedDocuments(t, "catalog") {
		t.Run(fmt.Sprintf("%s/%d", doc.Source, doc.Group), func(t *testing.T) {
			c, told, err := media.ParseMSF([]byte(doc.Document))
			if err != nil {
				t.Fatal(err)
			}
			for _, err := range told {
				if !strings.Contains(err.Error(), "jitter is ") || !strings.Contains(err.Error(), "whole milliseconds are wanted") {
					t.Error(err)
				}
			}
			if len(c.Video.Renditions)+len(c.Audio.Renditions) != len(doc.Expect.Tracks) {
				t.Errorf("it has %+v", c)
			}
			for _, name := range doc.Expect.Tracks {
				v, isVideo := c.Video.Renditions[name]
				a, isAudio := c.Audio.Renditions[name]
				if isVideo == isAudio || isVideo && (v.Codec == "" || v.CodedSize.Width == 0) || isAudio && (a.SampleRate != 48000 || a.Channels == 0) {
					t.Errorf("%s is %+v, %+v", name, v, a)
				}
			}
			written, err := c.AppendMSF(nil)
			if err != nil {
				t.Fatal(err)
			}
			again, told, err := media.ParseMSF(written)
			if err != nil || len(told) > 0 || !reflect.DeepEqual(again, c) {
				t.Errorf("%s is read as\n%+v, and was\n%+v: %q, %v", written, again, c, told, err)
			}
		})
	}
}

// TestMSFJitter reads and writes the jitter of a real publisher, a fraction.
func TestMSFJitter(t *testing.T) {
	c, told, err := media.ParseMSF([]byte(`{"version":"draft-01","tracks":[{"name":"v","packaging":"loc","role":"video","codec":"vp8","jitter":1021.354166}]}`))
	if err != nil || len(told) != 1 || c.Video.Renditions["v"].Jitter != 1022*time.Millisecond {
		t.Errorf("it is %+v, %q, %v", c, told, err)
	}
	written, err := c.AppendMSF(nil)
	if err != nil || !strings.Contains(string(written), `"jitter":1022,`) {
		t.Errorf("%s is written, %v", written, err)
	}
}

// TestParseMSFIsSoft reads documents with something wrong.
func TestParseMSFIsSoft(t *testing.T) {
	const audio = `{"name":"a","packaging":"legacy","role":"audio","codec":"opus","samplerate":48000,"channelConfig":"2"}`
	const video = `{"name":"v","packaging":"legacy","role":"video","codec":"vp8"`
	for _, test := range []struct {
		doc, told string
		video     int
	}{
		{`{"version":1,"tracks":[` + audio + `]}`, "", 0},
		{`{"version":2,"tracks":[` + audio + `]}`, `catalog: version is 2: "draft-01" is wanted`, 0},
		{`{"version":"draft-01","tracks":[` + audio + `,7]}`, "track 1: it is 7: an object is wanted", 0},
		{`{"version":"draft-01","tracks":[` + audio + `,{}]}`, "track 1: name is wanted: it is left out", 0},
		{`{"version":"draft-01","tracks":[` + audio + `,{"name":"v"}]}`, `track "v": role is wanted: it is left out`, 0},
		{`{"version":"draft-01","tracks":[` + audio + `,{"name":"v","role":"subtitle","packaging":"x"}]}`, "", 0},
		{`{"version":"draft-01","tracks":[` + audio + `,{"name":"v","role":"video","packaging":"x","codec":"vp8"}]}`, `track "v": packaging is "x", which is not known`, 0},
		{`{"version":"draft-01","tracks":[` + audio + `,` + video + `,"initRef":"i"}]}`, `track "v": initRef is "i", which is not in initDataList, or not inline`, 0},
		{`{"version":"draft-01","tracks":[` + audio + `,` + video + `,"initData":"AQ"}]}`, `track "v": initData is "AQ": base64 with padding is wanted (RFC 4648, section 4)`, 0},
		{`{"version":"draft-01","tracks":[` + audio + `,` + video + `,"isLive":1}]}`, `track "v": isLive is 1: true or false is wanted`, 1},
		{`{"version":"draft-01","tracks":[` + audio + `,{"name":"b","packaging":"legacy","role":"audio","codec":"opus","samplerate":48000}]}`, `track "b": channelConfig is "": the number of channels is wanted, as a string`, 0},
	} {
		c, told, err := media.ParseMSF([]byte(test.doc))
		if err != nil || len(c.Audio.Renditions) != 1 || len(c.Video.Renditions) != test.video {
			t.Errorf("%s: it is read as %+v, %v", test.doc, c, err)
		}
		if test.told == "" && len(told) > 0 || test.told != "" && (len(told) == 0 || told[0].Error() != "bad catalog: "+test.told) {
			t.Errorf("%s: of it is told %q, and should be %q", test.doc, told, test.told)
		}
	}
}

// TestMSFInit reads initialization data in both forms, and writes equal data once.
func TestMSFInit(t *testing.T) {
	c, told, err := media.ParseMSF([]byte(`{"version":1,"isComplete":true,"x":1,"tracks":[
		{"name":"v","packaging":"cmaf","role":"video","codec":"vp8","initData":"AQI=","altGroup":3,"isLive":false},
		{"name":"a","packaging":"legacy","role":"audio","codec":"opus","samplerate":48000,"channelConfig":"2","initRef":"one"}
	],"initDataList":[{"id":"one","type":"inline","data":"AQI="},{"id":"two","type":"url","data":"https://example.com/"}]}`))
	if err != nil || len(told) > 0 {
		t.Fatal(told, err)
	}
	if v, a := c.Video.Renditions["v"], c.Audio.Renditions["a"]; string(v.Container.Init) != "\x01\x02" || v.Description != nil || string(a.Description) != "\x01\x02" {
		t.Errorf("it is %+v", c)
	}
	const want = `{"initDataList":[{"data":"AQI=","id":"init0","type":"inline"}],"isComplete":true,"tracks":[` +
		`{"altGroup":3,"codec":"vp8","initRef":"init0","isLive":false,"maxGrpSapStartingType":2,"maxObjSapStartingType":2,"name":"v","packaging":"cmaf","renderGroup":1,"role":"video"},` +
		`{"channelConfig":"2","codec":"opus","initRef":"init0","isLive":true,"maxGrpSapStartingType":1,"maxObjSapStartingType":1,"name":"a","packaging":"legacy","renderGroup":1,"role":"audio","samplerate":48000}` +
		`],"version":"draft-01","x":1}`
	if got, err := c.AppendMSF(nil); err != nil || string(got) != want {
		t.Errorf("%s, %v is written, and should be\n%s", got, err, want)
	}
}

// TestAppendMSFIsStrict writes what readers refuse.
func TestAppendMSFIsStrict(t *testing.T) {
	for want, c := range map[string]*media.Catalog{
		`codec is ""`:                  {Video: media.Video{Renditions: map[api.TrackName]media.VideoRendition{"v": {}}}},
		`broadcast is "../b": MSF has`: {Video: media.Video{Renditions: map[api.TrackName]media.VideoRendition{"v": {Codec: "vp8", Broadcast: "../b"}}}},
		`channelConfig is 0`:           {Audio: media.Audio{Renditions: map[api.TrackName]media.AudioRendition{"a": {Codec: "opus", SampleRate: 1}}}},
		`Extra["isLive"] is 1`:         {Video: media.Video{Renditions: map[api.TrackName]media.VideoRendition{"v": {Codec: "vp8", Extra: map[string]json.RawMessage{"isLive": json.RawMessage("1")}}}}},
		`Extra["width"] is 1`:          {Audio: media.Audio{Renditions: map[api.TrackName]media.AudioRendition{"a": {Codec: "opus", SampleRate: 1, Channels: 1, Extra: map[string]json.RawMessage{"width": json.RawMessage("1")}}}}},
		`Extra has "role"`:             {Video: media.Video{Renditions: map[api.TrackName]media.VideoRendition{"v": {Codec: "vp8", Extra: map[string]json.RawMessage{"role": json.RawMessage(`"x"`)}}}}},
		`Extra has "tracks"`:           {Extra: map[string]json.RawMessage{"tracks": json.RawMessage("[]")}},
	} {
		doc, err := c.AppendMSF([]byte("before"))
		if !errors.Is(err, media.ErrCatalog) || !strings.Contains(err.Error(), want) || string(doc) != "before" {
			t.Errorf("%s, %v instead of %q", doc, err, want)
		}
	}
	if doc, err := new(media.Catalog).AppendMSF(nil); err != nil || string(doc) != `{"tracks":[],"version":"draft-01"}` {
		t.Errorf("%s, %v", doc, err)
	}
}

func FuzzParseMSF(f *testing.F) {
	for _, doc := range publishedDocuments(f, "catalog") {
		if len(doc.Document) < 2000 {
			f.Add([]byte(doc.Document))
		}
	}
	f.Add([]byte(`{"version":1,"tracks":[{"name":"a","packaging":"cmaf","role":"audio","codec":"opus","samplerate":48000,"channelConfig":"2","initData":"AQI=","stalled":true}]}`))
	fuzzCatalog(f, media.ParseMSF, (*media.Catalog).AppendMSF)
}
