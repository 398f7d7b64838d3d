package ingest_test

import (
	"context"
	"io"
	"time"

	"github.com/moqlite/moqlite/api"
	"github.com/moqlite/moqlite/api/media"
	"github.com/moqlite/moqlite/impl/ingest"
	"github.com/moqlite/moqlite/impl/live"
)

// A camera is a source of the application's own: an encoder in the same program.
type camera struct{ frames <-chan []byte }

func (camera) Tracks() []media.Track {
	return []media.Track{{ID: 1, Video: &media.VideoRendition{Codec: "vp8", CodedSize: media.Size{Width: 640, Height: 480}}}}
}

func (c camera) ReadPacket(p *media.Packet) error {
	frame, more := <-c.frames
	if !more {
		return io.EOF
	}
	now := time.Duration(time.Now().UnixNano())
	*p = media.Packet{Track: 1, PTS: now, DTS: now, Key: frame[0]&1 == 0, Payload: append(p.Payload[:0], frame...)}
	return nil
}

// A camera is published under a path that ends in ".hang", as players want it.
// Its frames are sent as they come.
func ExampleOpen() {
	ctx, mux := context.Background(), api.NewTrackMux()
	frames := make(chan []byte)
	var broadcast live.Broadcast
	ingestion, err := ingest.Open(&broadcast, camera{frames}, &ingest.Config{Pace: ingest.Immediate})
	if err != nil {
		panic(err)
	}
	if err := mux.Publish(ctx, "room/camera.hang", &broadcast); err != nil {
		panic(err)
	}
	// … Dial or serve with mux.
	close(frames)
	if err := ingestion.Run(ctx); err != nil {
		panic(err)
	}
	// Output:
}
