package record_test

import (
	"flag"
	"io"
	"runtime"
	"testing"
	"testing/synctest"
	"time"

	"github.com/moqlite/moqlite/api"
	"github.com/moqlite/moqlite/api/media"
	"github.com/moqlite/moqlite/impl/format/fmp4"
	"github.com/moqlite/moqlite/impl/ingest"
	"github.com/moqlite/moqlite/impl/live"
	"github.com/moqlite/moqlite/impl/moqtest"
	"github.com/moqlite/moqlite/impl/record"
)

var minutes = flag.Int("record.minutes", 3, "how long TestMemoryIsFlat records, in minutes of media")

// A steadyCamera gives pictures of 40 kB, 25 a second: 8 Mbit/s.
type steadyCamera struct {
	at, pictures int
	payload      []byte
}

func (*steadyCamera) Tracks() []media.Track {
	return []media.Track{{ID: 1, Video: &media.VideoRendition{Codec: "vp8", CodedSize: media.Size{Width: 1280, Height: 720}}}}
}

func (c *steadyCamera) ReadPacket(p *media.Packet) error {
	if c.at == c.pictures {
		return io.EOF
	}
	const picture = 40 * time.Millisecond
	at := time.Duration(c.at) * picture
	key := c.at%50 == 0
	c.payload[0] = 1 // VP8: not a key frame
	if key {
		c.payload[0] = 0
	}
	*p = media.Packet{Track: 1, PTS: at, DTS: at, Duration: picture, Key: key, Payload: append(p.Payload[:0], c.payload...)}
	c.at++
	return nil
}

// TestMemoryIsFlat has 8 Mbit/s go through ingest, a relay and a recording:
// after the first minute, what is held stays within 5 %.
func TestMemoryIsFlat(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		relay := moqtest.NewRelay()
		defer relay.Close()
		var b live.Broadcast
		mux := api.NewTrackMux()
		if err := mux.Publish(t.Context(), "cam.hang", &b); err != nil {
			t.Fatal(err)
		}
		publisher, viewer := relay.Client(), relay.Client()
		if _, err := publisher.Dial(t.Context(), relay.URL, mux); err != nil {
			t.Fatal(err)
		}
		session, err := viewer.Dial(t.Context(), relay.URL, api.NewTrackMux())
		if err != nil {
			t.Fatal(err)
		}
		source := &steadyCamera{pictures: 25 * 60 * *minutes, payload: make([]byte, 40_000)}
		ended := make(chan error, 1)
		go func() {
			err := ingest.Run(t.Context(), &b, source, nil)
			_ = b.Close()
			ended <- err
		}()
		recording, err := record.Open(t.Context(), session, "cam.hang", nil)
		if err != nil {
			t.Fatal(err)
		}
		defer recording.Close()
		w, err := fmp4.NewWriter(io.Discard, recording.Tracks(), nil)
		if err != nil {
			t.Fatal(err)
		}
		meter := &memoryMeter{Writer: w}
		if err := recording.Copy(meter); err != nil {
			t.Error(err)
		}
		if err := <-ended; err != nil {
			t.Error(err)
		}
		if len(meter.held) < *minutes-1 {
			t.Fatalf("only %d minutes were recorded", len(meter.held))
		}
		t.Logf("MB held after each minute: %v", meter.held)
		for i, held := range meter.held {
			if held > meter.held[0]*105/100 {
				t.Errorf("after minute %d, %.1f MB are held, %.1f after the first", i+1, held, meter.held[0])
			}
		}
	})
}

// A memoryMeter looks after each minute of what is written how much is held.
type memoryMeter struct {
	media.Writer
	held []float64 // MB
}

func (m *memoryMeter) WritePacket(p *media.Packet) error {
	if p.DTS >= time.Duration(len(m.held)+1)*time.Minute {
		runtime.GC()
		var stats runtime.MemStats
		runtime.ReadMemStats(&stats)
		m.held = append(m.held, float64(stats.HeapAlloc)/1e6)
	}
	return m.Writer.WritePacket(p)
}
