package media_test

import (
	"bytes"
	"errors"
	"reflect"
	"testing"

	"github.com/moqlite/moqlite/api/media"
)

func FuzzParseCatalog(f *testing.F) {
	var v struct{ Documents []struct{ Document string } }
	vectors(f, "catalog-acceptance.json", &v)
	for _, doc := range v.Documents {
		if len(doc.Document) < 2000 {
			f.Add([]byte(doc.Document))
		}
	}
	for _, doc := range publishedDocuments(f, "catalog.json") {
		if len(doc.Document) < 2000 {
			f.Add([]byte(doc.Document))
		}
	}
	f.Add(write(f, everything()))
	fuzzCatalog(f, media.ParseCatalog, (*media.Catalog).Append)
}

// fuzzCatalog checks that what is written of a catalog is read as the same, and
// that nothing is wrong with it.
func fuzzCatalog(f *testing.F, parse func([]byte) (*media.Catalog, []error, error), write func(*media.Catalog, []byte) ([]byte, error)) {
	f.Fuzz(func(t *testing.T, doc []byte) {
		c, _, err := parse(doc)
		if err != nil {
			if !errors.Is(err, media.ErrCatalog) {
				t.Errorf("%v", err)
			}
			return
		}
		first, err := write(c, nil)
		if err != nil {
			if !errors.Is(err, media.ErrCatalog) || len(first) > 0 {
				t.Errorf("%s is written: %v", first, err)
			}
			return
		}
		again, told, err := parse(first)
		if err != nil || len(told) > 0 {
			t.Fatalf("of %s is told %q, %v", first, told, err)
		}
		second, err := write(again, nil)
		if err != nil || !bytes.Equal(second, first) {
			t.Fatalf("%s is written again as %s, %v", first, second, err)
		}
		if third, _, err := parse(second); err != nil || !reflect.DeepEqual(third, again) {
			t.Errorf("%+v is read as %+v, %v", again, third, err)
		}
		// What was read has no less: only the form of what is not known differs.
		if len(again.Video.Renditions) != len(c.Video.Renditions) || len(again.Audio.Renditions) != len(c.Audio.Renditions) ||
			len(again.Text.Renditions) != len(c.Text.Renditions) || len(again.JSON) != len(c.JSON) || len(again.Extra) != len(c.Extra) {
			t.Errorf("%+v is read as %+v", c, again)
		}
	})
}
