package ingest

import (
	"bytes"
	"context"
	"time"

	"github.com/moqlite/moqlite/api"
	"github.com/moqlite/moqlite/api/media"
)

// An msfWriter publishes a catalog in the form of MSF, as a media.CatalogWriter
// does in that of hang.
type msfWriter struct {
	sink api.TrackSink
	last []byte
}

// update publishes c as a group of one frame, unless it is as the one before.
func (w *msfWriter) update(ctx context.Context, c *media.Catalog) error {
	document, err := c.AppendMSF(nil)
	if err != nil || bytes.Equal(document, w.last) {
		return err
	}
	err = api.WriteGroup(ctx, w.sink, api.Frame{Timestamp: uint64(time.Now().UnixMilli()), Payload: document})
	if err == nil {
		w.last = document
	}
	return err
}
