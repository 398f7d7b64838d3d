package media

import (
	"bytes"
	"context"
	"fmt"
	"time"

	"github.com/moqlite/moqlite/api"
)

// A CatalogWriter writes the versions of a catalog to a broadcast's catalog
// track, see [CatalogTrack]. All methods may be called concurrently.
//
// Some players build new decoders for every version. So a publisher writes a
// catalog that is complete, before the first frame of media, and another one
// only when something that matters has changed; and it keeps the track open for
// as long as the broadcast lasts.
type CatalogWriter struct {
	sink    api.TrackSink
	write   func(*Catalog, []byte) ([]byte, error)
	turn    chan struct{} // holds a value while nobody writes
	written []byte        // the newest version, of whom has the turn
}

// NewCatalogWriter returns a writer of hang's catalogs, for the track
// "catalog.json". The sink stays the caller's to close.
func NewCatalogWriter(sink api.TrackSink) *CatalogWriter {
	return newCatalogWriter(sink, (*Catalog).Append)
}

// NewMSFWriter returns a writer of MSF's catalogs, for the track "catalog". The
// sink stays the caller's to close.
func NewMSFWriter(sink api.TrackSink) *CatalogWriter {
	return newCatalogWriter(sink, (*Catalog).AppendMSF)
}

func newCatalogWriter(sink api.TrackSink, write func(*Catalog, []byte) ([]byte, error)) *CatalogWriter {
	w := &CatalogWriter{sink: sink, write: write, turn: make(chan struct{}, 1)}
	w.turn <- struct{}{}
	return w
}

// Update writes c as the catalog's next version, a group of one frame, and
// nothing if c is written as the version before was. It keeps nothing of c. Its
// frame is stamped with the wall clock, in the timescale of the sink.
//
// It blocks as [api.GroupWriter].WriteFrame does, until ctx ends at the latest.
// A catalog that real readers would refuse is an [ErrCatalog], and nothing is
// written; any other error is that of the sink or ctx's cause. After an error
// the version before counts as it did, and the same Update may be tried again.
func (w *CatalogWriter) Update(ctx context.Context, c *Catalog) error {
	doc, err := w.write(c, nil)
	if err != nil {
		return fmt.Errorf("update catalog: %w", err)
	}
	select {
	case <-w.turn:
		defer func() { w.turn <- struct{}{} }()
	case <-ctx.Done():
		return fmt.Errorf("update catalog: %w", context.Cause(ctx))
	}
	if bytes.Equal(doc, w.written) {
		return nil
	}
	var info api.TrackInfo
	if described, ok := w.sink.(interface{ Info() api.TrackInfo }); ok {
		info = described.Info()
	}
	frame := api.Frame{Timestamp: info.Timestamp(time.Now()), Payload: doc}
	if err := api.WriteGroup(ctx, w.sink, frame); err != nil {
		return fmt.Errorf("update catalog: %w", err)
	}
	w.written = doc
	return nil
}
