package record_test

import (
	"context"
	"fmt"
	"io"
	"time"

	"github.com/moqlite/moqlite/api"
	"github.com/moqlite/moqlite/api/media"
	"github.com/moqlite/moqlite/impl/ingest"
	"github.com/moqlite/moqlite/impl/live"
	"github.com/moqlite/moqlite/impl/moqtest"
	"github.com/moqlite/moqlite/impl/record"
)

// A broadcast is read packet by packet. What was lost on the way is told.
func ExampleOpen() {
	ctx, mux := context.Background(), api.NewTrackMux()
	var broadcast live.Broadcast // what another program publishes
	if err := mux.Publish(ctx, "room/camera.hang", &broadcast); err != nil {
		panic(err)
	}
	server := moqtest.NewServer(mux)
	defer server.Close()
	go show(ctx, &broadcast)

	session, err := server.Client().Dial(ctx, server.URL, nil)
	if err != nil {
		panic(err)
	}
	recording, err := record.Open(ctx, session, "room/camera.hang", &record.Choice{MaxPixels: 1280 * 720})
	if err != nil {
		panic(err)
	}
	defer recording.Close()
	fmt.Println(len(recording.Tracks()), "tracks")
	var p media.Packet
	for recording.ReadPacket(&p) == nil {
		fmt.Println(p.Track, p.PTS, p.Key, len(p.Payload))
		for _, gap := range recording.Gaps() {
			fmt.Println("nothing from", gap.Start, "to", gap.End, gap.Err)
		}
	}
	// Output:
	// 1 tracks
	// 1 0s true 6
	// 1 40ms false 3
}

// show publishes two pictures.
func show(ctx context.Context, broadcast *live.Broadcast) {
	frames := make(chan []byte, 2)
	frames <- []byte("\x00first")
	frames <- []byte("\x01xx")
	close(frames)
	if err := ingest.Run(ctx, broadcast, &camera{frames: frames}, nil); err != nil {
		panic(err)
	}
	broadcast.Close()
}

// A camera is a source of 25 pictures a second.
type camera struct {
	frames <-chan []byte
	at     time.Duration
}

func (*camera) Tracks() []media.Track {
	return []media.Track{{ID: 1, Video: &media.VideoRendition{Codec: "vp8", CodedSize: media.Size{Width: 640, Height: 480}}}}
}

func (c *camera) ReadPacket(p *media.Packet) error {
	frame, more := <-c.frames
	if !more {
		return io.EOF
	}
	*p = media.Packet{Track: 1, PTS: c.at, DTS: c.at, Key: frame[0]&1 == 0, Payload: append(p.Payload[:0], frame...)}
	c.at += 40 * time.Millisecond
	return nil
}
