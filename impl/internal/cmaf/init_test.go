package cmaf_test

import (
	"bytes"
	"encoding/hex"
	"errors"
	"reflect"
	"strings"
	"testing"

	"github.com/moqlite/moqlite/api/media"
	"github.com/moqlite/moqlite/impl/internal/cmaf"
)

func unhex(s string) []byte {
	b, err := hex.DecodeString(s)
	if err != nil {
		panic(err)
	}
	return b
}

const (
	avcC = "014d400bffe10018674d400bda0a11f970110000030001000003001e0f142aa001000468ef3c80"
	hvcC = "01016000000090000000000000f000fcfdf8f800000f00"
)

func TestInit(t *testing.T) {
	size := media.Size{Width: 160, Height: 120}
	for name, track := range map[string]media.Track{
		"AVC":               {Video: &media.VideoRendition{Codec: "avc1.4d400b", Description: unhex(avcC), CodedSize: size}},
		"AVC in band":       {Video: &media.VideoRendition{Codec: "avc3.4d400b", Description: unhex(avcC), CodedSize: size}},
		"HEVC":              {Video: &media.VideoRendition{Codec: "hvc1.1.6.L0.90", Description: unhex(hvcC), CodedSize: size}},
		"VP8":               {Video: &media.VideoRendition{Codec: "vp8", CodedSize: size}},
		"VP9":               {Video: &media.VideoRendition{Codec: "vp09.02.20.10.01.09.16.09.00", CodedSize: size}},
		"AV1":               {Video: &media.VideoRendition{Codec: "av01.0.04M.10", CodedSize: size}},
		"AV1 of 12 bits":    {Video: &media.VideoRendition{Codec: "av01.2.13H.12", CodedSize: size}},
		"wide pixels":       {Video: &media.VideoRendition{Codec: "vp8", CodedSize: media.Size{Width: 720, Height: 576}, DisplayAspect: media.Size{Width: 16, Height: 9}}},
		"AAC":               {Audio: &media.AudioRendition{Codec: "mp4a.40.2", Description: unhex("119056e500"), SampleRate: 48000, Channels: 2}},
		"AAC at 96 kHz":     {Audio: &media.AudioRendition{Codec: "mp4a.40.2", Description: unhex("1010"), SampleRate: 96000, Channels: 2}},
		"HE-AAC":            {Audio: &media.AudioRendition{Codec: "mp4a.40.5", Description: unhex("2b098800"), SampleRate: 48000, Channels: 1}},
		"Opus":              {Audio: &media.AudioRendition{Codec: "opus", Description: unhex("4f707573486561640102380180bb0000000000"), SampleRate: 48000, Channels: 2}},
		"Opus of six":       {Audio: &media.AudioRendition{Codec: "opus", Description: unhex("4f707573486561640106380180bb00000000010402000401020305"), SampleRate: 48000, Channels: 6}},
		"MP3":               {Audio: &media.AudioRendition{Codec: "mp3", SampleRate: 44100, Channels: 2}},
		"FLAC":              {Audio: &media.AudioRendition{Codec: "flac", Description: flac(), SampleRate: 192000, Channels: 2}},
		"the track's other": {ID: 77, Audio: &media.AudioRendition{Codec: "mp3", SampleRate: 44100, Channels: 2}},
	} {
		t.Run(name, func(t *testing.T) {
			init, err := cmaf.Init(track, 0)
			if err != nil {
				t.Fatal(err)
			}
			h, err := cmaf.ParseInit(init)
			if err != nil {
				t.Fatal(err)
			}
			track.ID = 1
			if !reflect.DeepEqual(h.Track, track) {
				t.Errorf("it is read as %+v %+v; expected %+v %+v", h.Track.Video, h.Track.Audio, track.Video, track.Audio)
			}
			if h.Timescale != cmaf.Timescale(track) || h.TrackID != 1 {
				t.Errorf("track %d has %d ticks a second; expected %d", h.TrackID, h.Timescale, cmaf.Timescale(track))
			}
			for n := range init {
				if _, err := cmaf.ParseInit(init[:n]); !errors.Is(err, cmaf.ErrMalformed) {
					t.Fatalf("of the first %d bytes of %d: %v", n, len(init), err)
				}
			}
		})
	}
}

// flac is the description of FLAC at 192 kHz.
func flac() []byte {
	d := append([]byte("fLaC\x80\x00\x00\x22"), make([]byte, 34)...)
	d[8], d[8+2] = 0x10, 0x10 // blocks of 4096 samples
	d[8+10], d[8+11], d[8+12] = 192000>>12, 192000>>4&0xff, 192000<<4&0xf0|1<<1
	return d
}

// An Opus track that tells nothing has the description that dOps makes.
func TestInitOpusWithoutDescription(t *testing.T) {
	init, err := cmaf.Init(media.Track{Audio: &media.AudioRendition{Codec: "opus", SampleRate: 48000, Channels: 2}}, 0)
	if err != nil {
		t.Fatal(err)
	}
	h, err := cmaf.ParseInit(init)
	if err != nil {
		t.Fatal(err)
	}
	if got := hex.EncodeToString(h.Track.Audio.Description); got != "4f707573486561640102000080bb0000000000" {
		t.Errorf("the OpusHead is %s", got)
	}
}

func TestInitRefuses(t *testing.T) {
	for name, track := range map[string]media.Track{
		"nothing":                    {},
		"Annex B":                    {Video: &media.VideoRendition{Codec: "avc1.4d400b"}},
		"a codec that is not known":  {Video: &media.VideoRendition{Codec: "theora"}},
		"a size too large":           {Video: &media.VideoRendition{Codec: "vp8", CodedSize: media.Size{Width: 70000, Height: 2}}},
		"numbers that are none":      {Video: &media.VideoRendition{Codec: "vp09.x"}},
		"AAC with ADTS":              {Audio: &media.AudioRendition{Codec: "mp4a.40.2", SampleRate: 48000, Channels: 2}},
		"sound without a rate":       {Audio: &media.AudioRendition{Codec: "mp3", Channels: 2}},
		"FLAC without a description": {Audio: &media.AudioRendition{Codec: "flac", SampleRate: 48000, Channels: 2}},
		"Opus of unknown channels":   {Audio: &media.AudioRendition{Codec: "opus", SampleRate: 48000, Channels: 6}},
	} {
		t.Run(name, func(t *testing.T) {
			if init, err := cmaf.Init(track, 0); err == nil {
				t.Errorf("it is described by %x", init)
			}
		})
	}
}

// An edit list says when the track begins, to files; frames of CMAF have none.
func TestEdits(t *testing.T) {
	for _, shift := range []int64{-6400, 0, 96000} {
		h := cmaf.NewHeader(media.Track{Audio: &media.AudioRendition{Codec: "mp3", SampleRate: 48000, Channels: 2}}, 0)
		h.Shift = shift
		moov, err := cmaf.MovieBox([]*cmaf.Header{h})
		if err != nil {
			t.Fatal(err)
		}
		movie, err := cmaf.ParseMovie(moov[8:])
		if err != nil {
			t.Fatal(err)
		}
		if got := movie.Headers[0].Shift; got != shift {
			t.Errorf("the shift is %d; expected %d", got, shift)
		}
		if h, err := cmaf.ParseInit(moov); err != nil || h.Shift != 0 {
			t.Errorf("as an initialization segment the shift is %d, %v", h.Shift, err)
		}
	}
}

// What is no track of pictures or sound is told of.
func TestIgnoredTracks(t *testing.T) {
	init, err := cmaf.Init(media.Track{Audio: &media.AudioRendition{Codec: "mp3", SampleRate: 48000, Channels: 2}}, 0)
	if err != nil {
		t.Fatal(err)
	}
	for entry, want := range map[string]string{"tx3g": "tx3g", "enca": "encrypted"} {
		b := bytes.Replace(init, []byte("mp4a"), []byte(entry), 1)
		if _, err := cmaf.ParseInit(b); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("of a track of %s: %v", entry, err)
		}
	}
}
