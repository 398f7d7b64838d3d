package mpegts_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"os"
	"testing"
	"time"

	"github.com/moqlite/moqlite/api/media"
	"github.com/moqlite/moqlite/impl/format/mpegts"
)

func sample(t testing.TB) []byte {
	t.Helper()
	b, err := os.ReadFile("testdata/h264_aac.ts")
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// readAll returns all packets of a source.
func readAll(t testing.TB, r media.Reader) (packets []media.Packet) {
	t.Helper()
	for {
		var p media.Packet
		switch err := r.ReadPacket(&p); {
		case errors.Is(err, io.EOF):
			return packets
		case err != nil:
			t.Fatal(err)
		}
		packets = append(packets, p)
	}
}

func open(t testing.TB, b []byte) *mpegts.Reader {
	t.Helper()
	r, err := mpegts.NewReader(bytes.NewReader(b))
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// Streams that ffmpeg wrote, and what ffprobe says of each packet, in the order
// of each track. Its sizes of AAC have the ADTS headers; it does not look into
// LATM.
func TestSamples(t *testing.T) {
	for _, test := range []struct {
		name   string
		codecs []string
		extra  int // bytes more in ffprobe's packets of sound; below 0: not told
	}{
		{"h264_aac", []string{"avc3.4d400b", "mp4a.40.2"}, 7},
		{"h264b_opus", []string{"avc3.64000a", "opus"}, 0},
		{"h264_latm", []string{"avc3.64000a", "mp4a.40.2"}, -1},
		{"hevc_ac3", []string{"hev1.1.6.L30.90", "ac-3"}, 0},
		{"eac3", []string{"ec-3"}, 0},
		{"mp2", []string{"mp2"}, 0},
		{"mp3", []string{"mp3"}, 0},
	} {
		t.Run(test.name, func(t *testing.T) {
			var want struct {
				Streams []struct {
					Width, Height, Channels int
					SampleRate              int `json:"sample_rate,string"`
				}
				Packets [][6]int64
			}
			b, err := os.ReadFile("testdata/" + test.name + ".ts.packets.json")
			if err != nil {
				t.Fatal(err)
			}
			if err := json.Unmarshal(b, &want); err != nil {
				t.Fatal(err)
			}
			b, err = os.ReadFile("testdata/" + test.name + ".ts")
			if err != nil {
				t.Fatal(err)
			}
			r := open(t, b)
			tracks := r.Tracks()
			if len(tracks) != len(want.Streams) {
				t.Fatalf("tracks %+v", tracks)
			}
			got := map[int][]media.Packet{}
			for _, p := range readAll(t, r) {
				got[p.Track] = append(got[p.Track], p)
			}
			for i, track := range tracks {
				extra := test.extra
				if v := track.Video; v != nil {
					extra = 0
					if v.Codec != test.codecs[i] || v.Description != nil || v.CodedSize != (media.Size{Width: want.Streams[i].Width, Height: want.Streams[i].Height}) {
						t.Errorf("video %+v", v)
					}
				} else if a := track.Audio; a.Codec != test.codecs[i] || a.SampleRate != want.Streams[i].SampleRate || a.Channels != want.Streams[i].Channels {
					t.Errorf("audio %+v", a)
				}
				comparePackets(t, got[track.ID], want.Packets, int64(i), int64(extra))
			}
			if d := r.Damage(); d != (mpegts.Damage{}) {
				t.Errorf("damage %+v", d)
			}
		})
	}
}

func comparePackets(t *testing.T, got []media.Packet, want [][6]int64, track, extra int64) {
	t.Helper()
	n := 0
	for _, w := range want {
		if w[0] != track {
			continue
		}
		if n == len(got) {
			t.Fatalf("track %d: no more than %d packets", track, n)
		}
		g := got[n]
		size := int64(len(g.Payload)) + extra
		// ffprobe leaves the first zero of some start codes to the packet before.
		if !near(g.PTS, w[1]) || !near(g.DTS, w[2]) || !near(g.Duration, w[3]) || extra >= 0 && (size < w[4]-1 || size > w[4]+1) || g.Key != (w[5] == 1) {
			t.Errorf("track %d packet %d: pts %v dts %v duration %v size %d key %v; want %v", track, n, g.PTS, g.DTS, g.Duration, len(g.Payload), g.Key, w)
		}
		n++
	}
	if n != len(got) {
		t.Errorf("track %d: %d packets, want %d", track, len(got), n)
	}
}

// near reports whether d is t ticks of 90 kHz. ffprobe cuts the duration of each
// frame to whole ones, and adds up to five in a PES packet.
func near(d time.Duration, t int64) bool {
	return (d - time.Duration(t*100000/9)).Abs() <= 5*time.Second/90000
}
