package record_test

import (
	"context"
	"errors"
	"io"
	"testing"
	"time"

	"github.com/moqlite/moqlite/api"
	"github.com/moqlite/moqlite/api/media"
	"github.com/moqlite/moqlite/impl/live"
	"github.com/moqlite/moqlite/impl/moqtest"
	"github.com/moqlite/moqlite/impl/record"
)

const (
	path    = "room/camera.hang"
	picture = 40 * time.Millisecond // 25 a second
	sound   = 20 * time.Millisecond
)

// A station is a broadcast that a test writes by hand.
type station struct {
	t       testing.TB
	live    live.Broadcast
	catalog *live.Track
	video   *live.Track
	audio   *live.Track
	server  *moqtest.Server
	session api.Session
}

// newStation publishes a broadcast in memory, and dials it.
func newStation(t testing.TB) *station {
	t.Helper()
	s := &station{t: t}
	s.catalog = s.live.Track("catalog.json", api.TrackInfo{})
	s.video = s.live.Track("video", api.TrackInfo{Timescale: 1e6, MaxLatency: 30 * time.Second})
	s.audio = s.live.Track("audio", api.TrackInfo{Timescale: 1e6, MaxLatency: 30 * time.Second})
	mux := api.NewTrackMux()
	if err := mux.Publish(t.Context(), path, &s.live); err != nil {
		t.Fatal(err)
	}
	s.server = moqtest.NewServer(mux)
	session, err := s.server.Client().Dial(t.Context(), s.server.URL, api.NewTrackMux())
	if err != nil {
		t.Fatal(err)
	}
	s.session = session
	return s
}

func (s *station) close() { s.server.Close() }

// publish publishes a version of the catalog.
func (s *station) publish(c *media.Catalog) {
	s.t.Helper()
	doc, err := c.Append(nil)
	if err != nil {
		s.t.Fatal(err)
	}
	s.send(s.catalog, doc)
}

// send writes a group of frames.
func (s *station) send(track *live.Track, frames ...[]byte) {
	s.t.Helper()
	g, err := track.OpenGroup(s.t.Context())
	if err != nil {
		s.t.Fatal(err)
	}
	for _, frame := range frames {
		if err := g.WriteFrame(api.Frame{Payload: frame}); err != nil {
			s.t.Fatal(err)
		}
	}
	if err := g.Close(); err != nil {
		s.t.Fatal(err)
	}
}

// end ends the tracks and then the broadcast.
func (s *station) end() {
	for _, track := range []*live.Track{s.video, s.audio} {
		_ = track.Close()
	}
	_ = s.live.Close()
}

// both is the catalog of a broadcast of VP8 and Opus.
func both(container media.Container) *media.Catalog {
	return &media.Catalog{
		Video: media.Video{Renditions: map[api.TrackName]media.VideoRendition{"video": {
			Codec: "vp8", Container: container, CodedSize: media.Size{Width: 160, Height: 120},
		}}},
		Audio: media.Audio{Renditions: map[api.TrackName]media.AudioRendition{"audio": {
			Codec: "opus", Container: container, SampleRate: 48000, Channels: 2,
		}}},
	}
}

// legacy is a frame of the container.
func legacy(pts time.Duration, payload ...byte) []byte {
	return media.AppendLegacy(nil, media.Frame{PTS: pts, Payload: payload})
}

// vp8 is the payload of number i, a key frame or not.
func vp8(i int, key bool) []byte {
	b := []byte{1, byte(i >> 8), byte(i)}
	if key {
		b[0] = 0
	}
	return b
}

// opus20 is a packet of 20 ms.
func opus20(i int) []byte { return []byte{0x78, byte(i >> 8), byte(i)} }

// A recorded broadcast.
type recorded struct {
	tracks  []media.Track
	packets []media.Packet
	gaps    []record.Gap
	err     error // nil: io.EOF
}

// of returns the packets of a track.
func (r *recorded) of(id int) (packets []media.Packet) {
	for _, p := range r.packets {
		if p.Track == id {
			packets = append(packets, p)
		}
	}
	return packets
}

// drain reads a recording to its end.
func drain(r *record.Recording) recorded {
	got := recorded{tracks: r.Tracks()}
	for {
		var p media.Packet
		if err := r.ReadPacket(&p); err != nil {
			got.gaps = r.Gaps()
			if !errors.Is(err, io.EOF) {
				got.err = err
			}
			return got
		}
		got.packets = append(got.packets, p)
	}
}

// recordAll records all of a broadcast while play plays it.
func (s *station) recordAll(ctx context.Context, choice *record.Choice, play func()) recorded {
	s.t.Helper()
	done := make(chan struct{})
	go func() {
		defer close(done)
		play()
	}()
	r, err := record.Open(ctx, s.session, path, choice)
	if err != nil {
		s.t.Fatal(err)
	}
	got := drain(r)
	if err := r.Close(); err != nil {
		s.t.Error(err)
	}
	<-done
	return got
}

// check checks what is true of every recording whose decoding times are derived.
func (r *recorded) check(t testing.TB) {
	t.Helper()
	for i, p := range r.packets {
		if p.DTS > p.PTS {
			t.Errorf("packet %d of track %d: decoded at %v, shown at %v", i, p.Track, p.DTS, p.PTS)
		}
	}
	r.checkOrder(t)
}

// checkOrder checks what is true of every recording.
func (r *recorded) checkOrder(t testing.TB) {
	t.Helper()
	for _, track := range r.tracks {
		var last media.Packet
		for i, p := range r.of(track.ID) {
			if i > 0 && p.DTS < last.DTS {
				t.Errorf("track %d, packet %d: decoded at %v, after one at %v", track.ID, i, p.DTS, last.DTS)
			}
			if len(p.Payload) == 0 || p.Duration <= 0 {
				t.Errorf("track %d, packet %d: %d bytes, decoded %v, shown %v, for %v", track.ID, i, len(p.Payload), p.DTS, p.PTS, p.Duration)
			}
			last = p
		}
	}
}

func write(t testing.TB, g api.GroupWriter, frame []byte) {
	t.Helper()
	if err := g.WriteFrame(api.Frame{Payload: frame}); err != nil {
		t.Error(err)
	}
}
