package record_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/moqlite/moqlite/api"
	"github.com/moqlite/moqlite/api/media"
	"github.com/moqlite/moqlite/impl/internal/codec"
	"github.com/moqlite/moqlite/impl/record"
)

// ladder is a catalog of pictures in three sizes.
func ladder() *media.Catalog {
	c := both(media.Container{})
	c.Video.Renditions = map[api.TrackName]media.VideoRendition{
		"low":  {Codec: "vp8", CodedSize: media.Size{Width: 320, Height: 180}, Bitrate: 300_000},
		"mid":  {Codec: "vp8", CodedSize: media.Size{Width: 640, Height: 360}, Bitrate: 900_000},
		"high": {Codec: "vp8", CodedSize: media.Size{Width: 1280, Height: 720}, Bitrate: 3_000_000},
	}
	return c
}

// TestChoice has a rendition chosen.
func TestChoice(t *testing.T) {
	for name, test := range map[string]struct {
		choice *record.Choice
		height int    // of the pictures; 0: none
		tracks int    // how many
		fault  string // what the error says beside what there is
	}{
		"best":         {nil, 720, 2, ""},
		"named":        {&record.Choice{Video: "low"}, 180, 2, ""},
		"pixels":       {&record.Choice{MaxPixels: 640 * 360}, 360, 2, ""},
		"bitrate":      {&record.Choice{MaxBitrate: 500_000}, 180, 2, ""},
		"no sound":     {&record.Choice{NoAudio: true}, 720, 1, ""},
		"no pictures":  {&record.Choice{NoVideo: true}, 0, 1, ""},
		"missing name": {&record.Choice{Video: "8k"}, 0, 0, `no pictures named "8k"`},
		"bounds":       {&record.Choice{MaxPixels: 100}, 0, 0, "within the bounds"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newStation(t)
				defer s.close()
				for track := range ladder().Video.Renditions {
					_ = s.live.Track(track, api.TrackInfo{})
				}
				s.publish(ladder())
				r, err := record.Open(t.Context(), s.session, path, test.choice)
				if test.fault != "" {
					if !errors.Is(err, record.ErrNoRendition) || !strings.Contains(err.Error(), test.fault) || !strings.Contains(err.Error(), `"mid" (vp8, 640×360, 900 kbit/s)`) {
						t.Errorf("error %v", err)
					}
					return
				}
				if err != nil {
					t.Fatal(err)
				}
				defer r.Close()
				tracks := r.Tracks()
				if len(tracks) != test.tracks || test.height > 0 && tracks[0].Video.CodedSize.Height != test.height {
					t.Errorf("tracks %+v", tracks)
				}
			})
		})
	}
}

// TestBlocked ends a recording that waits: for a broadcast, and for packets.
func TestBlocked(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStation(t)
		defer s.close()
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		if _, err := record.Open(ctx, s.session, "nobody.hang", nil); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("opened: %v", err)
		}
		s.publish(both(media.Container{}))
		for name, end := range map[string]func(*record.Recording, context.CancelFunc){
			"Close":  func(r *record.Recording, _ context.CancelFunc) { _ = r.Close() },
			"cancel": func(_ *record.Recording, cancel context.CancelFunc) { cancel() },
		} {
			ctx, cancel := context.WithCancel(t.Context())
			r, err := record.Open(ctx, s.session, path, nil)
			if err != nil {
				t.Fatal(err)
			}
			time.AfterFunc(time.Minute, func() { end(r, cancel) })
			begun := time.Now()
			var p media.Packet
			err = r.ReadPacket(&p)
			if time.Since(begun) != time.Minute || !errors.Is(err, api.ErrClosed) && !errors.Is(err, context.Canceled) {
				t.Errorf("%s: %v after %v", name, err, time.Since(begun))
			}
			cancel()
			_ = r.Close()
		}
	})
}

// TestRenditionLeaves takes the sound out of the catalog and puts it in again.
func TestRenditionLeaves(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStation(t)
		defer s.close()
		got := s.recordAll(t.Context(), nil, func() {
			s.publish(both(media.Container{}))
			time.Sleep(time.Second)
			for seq := range 30 {
				s.sendPictures(seq, 25)
				switch {
				case seq == 10:
					_ = s.audio.Close()
					mute := both(media.Container{})
					mute.Audio = media.Audio{}
					s.publish(mute)
				case seq == 20:
					s.audio = s.live.Track("audio", api.TrackInfo{Timescale: 1e6})
					s.publish(both(media.Container{}))
					time.Sleep(500 * time.Millisecond)
				}
				if seq < 10 || seq >= 20 {
					g, err := s.audio.OpenGroup(t.Context())
					if err != nil {
						t.Error(err)
						return
					}
					s.writeSounds(g, time.Duration(seq)*time.Second)
				}
				time.Sleep(time.Second)
			}
			s.end()
		})
		got.check(t)
		sounds := got.of(2)
		if got.err != nil || len(got.of(1)) != 750 || len(sounds) != 1000 {
			t.Fatalf("%d pictures, %d sounds, error %v", len(got.of(1)), len(sounds), got.err)
		}
		if sounds[499].PTS != 10*time.Second-sound || sounds[500].PTS != 20*time.Second {
			t.Errorf("sound leaves at %v and comes at %v", sounds[499].PTS, sounds[500].PTS)
		}
		if len(got.gaps) != 1 || got.gaps[0].Start != 10*time.Second || got.gaps[0].End != 20*time.Second {
			t.Errorf("gaps %v", got.gaps)
		}
	})
}

// avcSet makes a sequence parameter set of the baseline profile.
func avcSet(width, height int) []byte {
	var bits []byte
	add := func(v, n int) {
		for i := n - 1; i >= 0; i-- {
			bits = append(bits, byte(v>>i&1))
		}
	}
	golomb := func(v int) {
		n := 0
		for (v+1)>>(n+1) > 0 {
			n++
		}
		add(0, n)
		add(v+1, n+1)
	}
	add(0x67, 8)
	add(66, 8)
	add(0xc0, 8)
	add(30, 8)
	for _, v := range []int{0, 0, 2, 1} { // id, frame_num, order of pictures 2, one reference
		golomb(v)
	}
	add(0, 1)
	golomb(width/16 - 1)
	golomb(height/16 - 1)
	add(1, 1) // frames
	add(1, 1) // direct inference
	add(0, 2) // no cropping, no VUI
	add(1, 1) // stop bit
	for len(bits)%8 != 0 {
		bits = append(bits, 0)
	}
	var out []byte
	for i := 0; i < len(bits); i += 8 {
		b := byte(0)
		for _, bit := range bits[i : i+8] {
			b = b<<1 | bit
		}
		out = append(out, b)
	}
	return out
}

// TestResolutionChanges has a browser change the size of its pictures, which the
// parameter sets in the frames tell.
func TestResolutionChanges(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStation(t)
		defer s.close()
		c := both(media.Container{})
		c.Audio = media.Audio{}
		c.Video.Renditions["video"] = media.VideoRendition{Codec: "avc1.42c01e"}
		sizes := []media.Size{{Width: 320, Height: 240}, {Width: 320, Height: 240}, {Width: 640, Height: 480}}
		got := s.recordAll(t.Context(), nil, func() {
			s.publish(c)
			time.Sleep(time.Second)
			for i, size := range sizes {
				at := time.Duration(i) * time.Second
				key := codec.AppendUnit(nil, []byte{9, 0x10})
				key = codec.AppendUnit(key, avcSet(size.Width, size.Height))
				key = codec.AppendUnit(key, []byte{0x68, 0xce, 0x3c, 0x80})
				key = codec.AppendUnit(key, []byte{0x65, 0x88, byte(i + 1)})
				s.send(s.video, legacy(at, key...), legacy(at+picture, codec.AppendUnit(nil, []byte{0x41, 0x9a, byte(i + 1)})...), legacy(at+2*picture))
				time.Sleep(time.Second)
			}
			s.end()
		})
		got.check(t)
		if got.err != nil || len(got.packets) != 6 {
			t.Fatalf("%d packets, error %v", len(got.packets), got.err)
		}
		v := got.tracks[0].Video
		if v.CodedSize != sizes[0] || v.Codec != "avc1.42c01e" || len(v.Description) == 0 {
			t.Errorf("recorded as %+v", v)
		}
		for i, p := range got.packets {
			if changes := i == 4; (p.Config != nil) != changes {
				t.Errorf("packet %d has the description %x", i, p.Config)
			}
			if p.Key != (i%2 == 0) || len(p.Payload) != 7 {
				t.Errorf("packet %d: %+v", i, p)
			}
		}
		set, err := codec.AVC.ParseConfiguration(got.packets[4].Config)
		if err != nil || len(set.SPS) != 1 || string(set.SPS[0]) != string(avcSet(640, 480)) {
			t.Errorf("the description holds %x, %v", set.SPS, err)
		}
		if last := got.packets[5]; last.Duration != picture {
			t.Errorf("the last picture lasts %v", last.Duration)
		}
	})
}

// TestDescriptionChanges has a newer catalog tell another description of the
// same track.
func TestDescriptionChanges(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStation(t)
		defer s.close()
		describe := func(width int) []byte {
			b, err := codec.AVC.Configuration(codec.ParameterSets{SPS: [][]byte{avcSet(width, 240)}, PPS: [][]byte{{0x68, 0xce, 0x3c, 0x80}}})
			if err != nil {
				t.Fatal(err)
			}
			return b
		}
		c := both(media.Container{})
		c.Audio = media.Audio{}
		got := s.recordAll(t.Context(), nil, func() {
			for i, width := range []int{320, 320, 640} {
				c.Video.Renditions["video"] = media.VideoRendition{Codec: "avc1.42c01e", Description: describe(width), Bitrate: uint64(i)}
				s.publish(c)
				time.Sleep(time.Second)
				at := time.Duration(i) * time.Second
				s.send(s.video, legacy(at, codec.AppendPrefixed(nil, []byte{0x65, 0x88, 1})...), legacy(at+picture, codec.AppendPrefixed(nil, []byte{0x41, 0x9a, 1})...))
				time.Sleep(time.Second)
			}
			s.end()
		})
		if got.err != nil || len(got.packets) != 6 || got.tracks[0].Video.CodedSize.Width != 320 {
			t.Fatalf("%d packets of %+v, error %v", len(got.packets), got.tracks, got.err)
		}
		for i, p := range got.packets {
			if changes := i == 4; (p.Config != nil) != changes || changes && string(p.Config) != string(describe(640)) {
				t.Errorf("packet %d has the description %x", i, p.Config)
			}
		}
	})
}
