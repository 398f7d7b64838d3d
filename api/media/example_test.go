package media_test

import (
	"context"
	"fmt"
	"time"

	"github.com/moqlite/moqlite/api"
	"github.com/moqlite/moqlite/api/media"
	"github.com/moqlite/moqlite/impl/live"
	"github.com/moqlite/moqlite/impl/moqtest"
)

// A publisher writes a catalog, with which any player of the ecosystem finds its
// tracks; a subscriber, which may be there before it, follows the catalog.
func Example() {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	var camera live.Broadcast
	mux := api.NewTrackMux()
	_ = mux.Publish(ctx, "room/cam.hang", &camera)
	server := moqtest.NewServer(mux)
	defer server.Close()
	session, err := server.Client().Dial(ctx, server.URL, nil)
	if err != nil {
		fmt.Println(err)
		return
	}

	track := camera.Track(media.CatalogTrack("room/cam.hang"), api.TrackInfo{Priority: 100, MaxLatency: 5 * time.Second, Timescale: 1000})
	err = media.NewCatalogWriter(track).Update(ctx, &media.Catalog{
		Video: media.Video{Renditions: map[api.TrackName]media.VideoRendition{
			"video": {Codec: "avc1.42c01f", CodedSize: media.Size{Width: 1280, Height: 720}, Framerate: 30, Jitter: 34 * time.Millisecond},
		}},
		Audio: media.Audio{Renditions: map[api.TrackName]media.AudioRendition{
			"audio": {Codec: "opus", SampleRate: 48000, Channels: 2},
		}},
	})
	if err != nil {
		fmt.Println(err) // errors.Is(err, media.ErrCatalog): which field no player would take
		return
	}

	for catalog, err := range media.Catalogs(ctx, session, "room/cam.hang") {
		if err != nil {
			fmt.Println(err)
			return
		}
		for name, video := range catalog.Video.Renditions {
			fmt.Println(name, video.Codec, video.CodedSize, video.Container.Kind)
		}
		for name, audio := range catalog.Audio.Renditions {
			fmt.Println(name, audio.Codec, audio.SampleRate, audio.Container.Kind)
		}
		break // it would wait for the next version
	}
	// Output:
	// video avc1.42c01f {1280 720} legacy
	// audio opus 48000 legacy
}

// A subscriber reads the frames of a track in the container that the catalog
// names.
func ExampleParseLegacy() {
	raw := media.AppendLegacy(nil, media.Frame{PTS: 40 * time.Millisecond, Payload: []byte("picture")})
	fmt.Printf("% x\n", raw)

	frame, err := media.ParseLegacy(raw)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Printf("%v %s\n", frame.PTS, frame.Payload)
	// Output:
	// 80 00 9c 40 70 69 63 74 75 72 65
	// 40ms picture
}

// Readers in browsers refuse a whole catalog for one field, so it is not written.
func ExampleCatalog_Append() {
	catalog := &media.Catalog{Audio: media.Audio{Renditions: map[api.TrackName]media.AudioRendition{
		"audio": {Codec: "opus", Channels: 2},
	}}}
	_, err := catalog.Append(nil)
	fmt.Println(err)
	// Output: bad catalog: audio rendition "audio": sampleRate is 0: set it
}
