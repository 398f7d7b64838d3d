package cmaf_test

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"testing"

	"github.com/moqlite/moqlite/api/media"
	"github.com/moqlite/moqlite/impl/internal/cmaf"
)

// vectors are frames that real publishers sent, with what they hold.
type vectors struct {
	Tracks []struct {
		Source, Track, Codec, Container string

		Init       []byte
		InitExpect struct {
			TrackID   uint32 `json:"track_id"`
			Timescale uint32
		} `json:"init_expect"`

		Frames []frameVector
	}
}

type frameVector struct {
	Group, Frame int
	Payload      []byte
	Expect       struct {
		Samples []sampleVector
	}
}

type sampleVector struct {
	DTS, PTS, Duration int64
	Size               int
	Sync               bool
	SHA256             string
}

func readVectors(t testing.TB) vectors {
	t.Helper()
	b, err := os.ReadFile("../../../api/media/testdata/frames.json")
	if err != nil {
		t.Fatal(err)
	}
	var v vectors
	if err := json.Unmarshal(b, &v); err != nil {
		t.Fatal(err)
	}
	return v
}

// samplesOf parses a frame into what a vector says of it.
func samplesOf(t *testing.T, h *cmaf.Header, frame []byte) (samples []sampleVector) {
	t.Helper()
	ticks := func(p *media.Packet) (dts, pts, end int64) {
		return cmaf.ToTicks(p.DTS, h.Timescale), cmaf.ToTicks(p.PTS, h.Timescale), cmaf.ToTicks(p.DTS+p.Duration, h.Timescale)
	}
	err := cmaf.ParseFragment(frame, h, func(p *media.Packet) error {
		dts, pts, end := ticks(p)
		sum := sha256.Sum256(p.Payload)
		samples = append(samples, sampleVector{dts, pts, end - dts, len(p.Payload), p.Key, hex.EncodeToString(sum[:])})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return samples
}

func TestFramesOfOthers(t *testing.T) {
	for _, track := range readVectors(t).Tracks {
		if track.Container != "cmaf" {
			continue
		}
		t.Run(track.Source+" "+track.Track, func(t *testing.T) {
			h, err := cmaf.ParseInit(track.Init)
			if err != nil {
				t.Fatal(err)
			}
			if h.TrackID != track.InitExpect.TrackID || h.Timescale != track.InitExpect.Timescale {
				t.Errorf("the header is %+v; expected %+v", h, track.InitExpect)
			}
			if got := codecOf(h.Track); got != track.Codec {
				t.Errorf("the codec is %q; expected %q", got, track.Codec)
			}
			for _, frame := range track.Frames {
				got := samplesOf(t, h, frame.Payload)
				if fmt.Sprint(got) != fmt.Sprint(frame.Expect.Samples) {
					t.Errorf("frame %d of group %d holds\n%v; expected\n%v", frame.Frame, frame.Group, got, frame.Expect.Samples)
				}
				rewritten := rewrite(t, h, frame.Payload)
				if again := samplesOf(t, h, rewritten); fmt.Sprint(again) != fmt.Sprint(got) {
					t.Errorf("frame %d of group %d holds\n%v after it was written again; before\n%v", frame.Frame, frame.Group, again, got)
				}
			}
		})
	}
}

// rewrite writes the packets of a frame as a frame.
func rewrite(t *testing.T, h *cmaf.Header, frame []byte) []byte {
	t.Helper()
	var packets []media.Packet
	if err := cmaf.ParseFragment(frame, h, func(p *media.Packet) error {
		packets = append(packets, *p)
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	b, err := cmaf.AppendFragment(nil, 7, h, packets)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func codecOf(t media.Track) string {
	if t.Video != nil {
		return t.Video.Codec
	}
	return t.Audio.Codec
}
