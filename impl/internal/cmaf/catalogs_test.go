package cmaf_test

import (
	"encoding/hex"
	"encoding/json"
	"os"
	"testing"

	"github.com/moqlite/moqlite/api/media"
	"github.com/moqlite/moqlite/impl/internal/cmaf"
)

// A rendition is what a catalog says of a track, as far as its init says it too.
type rendition struct {
	Codec, Description           string
	CodedWidth, CodedHeight      int
	SampleRate, NumberOfChannels int
	Container                    struct {
		Kind string
		Init []byte
	}
}

// The inits in the catalogs of real publishers say what the catalogs say.
func TestInitsOfCatalogs(t *testing.T) {
	b, err := os.ReadFile("../../../api/media/testdata/catalogs.json")
	if err != nil {
		t.Fatal(err)
	}
	var captured struct {
		Catalogs []struct{ Source, Track, Document string }
	}
	if err := json.Unmarshal(b, &captured); err != nil {
		t.Fatal(err)
	}
	inits := 0
	for _, c := range captured.Catalogs {
		if c.Track != "catalog.json" {
			continue
		}
		var document map[string]json.RawMessage
		if err := json.Unmarshal([]byte(c.Document), &document); err != nil {
			t.Fatal(err)
		}
		for _, kind := range []string{"video", "audio"} {
			var of struct{ Renditions map[string]rendition }
			if document[kind] == nil {
				continue
			}
			if err := json.Unmarshal(document[kind], &of); err != nil {
				t.Fatal(err)
			}
			for name, r := range of.Renditions {
				if r.Container.Kind != "cmaf" {
					continue
				}
				inits++
				h, err := cmaf.ParseInit(r.Container.Init)
				if err != nil {
					t.Fatalf("%s of %s: %v", name, c.Source, err)
				}
				checkRendition(t, c.Source+" "+name, h.Track, r)
			}
		}
	}
	if inits < 5 {
		t.Errorf("only %d inits are in the catalogs", inits)
	}
}

func checkRendition(t *testing.T, name string, track media.Track, want rendition) {
	t.Helper()
	var got rendition
	if v := track.Video; v != nil {
		got = rendition{Codec: v.Codec, Description: hex.EncodeToString(v.Description), CodedWidth: v.CodedSize.Width, CodedHeight: v.CodedSize.Height}
	} else if a := track.Audio; a != nil {
		got = rendition{Codec: a.Codec, Description: hex.EncodeToString(a.Description), SampleRate: a.SampleRate, NumberOfChannels: a.Channels}
	}
	if got.Codec != want.Codec || got.Description != want.Description || got.CodedWidth != want.CodedWidth ||
		got.CodedHeight != want.CodedHeight || got.SampleRate != want.SampleRate || got.NumberOfChannels != want.NumberOfChannels {
		want.Container.Init = nil
		t.Errorf("%s: the init says %+v; the catalog %+v", name, got, want)
	}
}
