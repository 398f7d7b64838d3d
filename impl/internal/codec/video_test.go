package codec

import (
	"bytes"
	"math/bits"
	"os"
	"testing"

	"github.com/moqlite/moqlite/api/media"
)

// Descriptions as ffmpeg writes them, with what ffprobe says of the files.
const (
	avcMain     = "014d400bffe10018674d400bda0a11f970110000030001000003001e0f142aa001000468ef3c80"
	avcBaseline = "0142c00bffe100186742c00bda0a11f970110000030001000003001e0f142aa001000468ce3c80"
	avcHigh     = "01640009ffe1001967640009acd942847e5c0440000003004000000783c489658001000468efbcb0fdf8f800"
	avcHigh444  = "01f4001effe1001a67f4001e919b2816824d82080000030008000003019078b16cb001000668ebe3c44844fff8f800"
	avcGray     = "0164000affe1001a6764000af3651c9e3e5c05b2000003000200000300641e244b2c01000668ebe3cb22c0fcf8f800"
	hevcMain    = "0101600000009000000000001ef000fcfdf8f800000f03a00001001840010c01ffff01600000030090000003000003001e959809" +
		"a10001002942010101600000030090000003000003001ea014207965959a4932bc05a02000000300200000030321a2000100074401c172b46240"
)

func TestDescriptions(t *testing.T) {
	for _, test := range []struct {
		name, description string
		codec             NAL
		entry, string     string
		video             Video
	}{
		{"main", avcMain, AVC, "avc1", "avc1.4d400b", Video{Size: media.Size{Width: 160, Height: 120}, Framerate: 15}},
		{"baseline", avcBaseline, AVC, "avc3", "avc3.42c00b", Video{Size: media.Size{Width: 160, Height: 120}, Framerate: 15}},
		{"high with B-frames", avcHigh, AVC, "avc1", "avc1.640009", Video{Size: media.Size{Width: 160, Height: 120}, Framerate: 15, Reorder: 2}},
		{"high 4:4:4, pixels not square", avcHigh444, AVC, "avc1", "avc1.f4001e", Video{
			Size: media.Size{Width: 720, Height: 576}, Aspect: media.Size{Width: 20, Height: 11}, Framerate: 25, Reorder: 2}},
		{"without colour", avcGray, AVC, "avc1", "avc1.64000a", Video{Size: media.Size{Width: 98, Height: 60}, Framerate: 25, Reorder: 2}},
		{"HEVC", hevcMain, HEVC, "hvc1", "hvc1.1.6.L30.90", Video{Size: media.Size{Width: 160, Height: 120}, Framerate: 25, Reorder: 2}},
	} {
		t.Run(test.name, func(t *testing.T) {
			want := unhex(t, test.description)
			parsed, err := test.codec.ParseConfiguration(want)
			if err != nil || parsed.LengthSize != 4 || !parsed.Complete(test.codec) {
				t.Fatalf("%+v: %v", parsed, err)
			}
			if got, err := test.codec.Configuration(parsed.ParameterSets); err != nil || !bytes.Equal(got, want) {
				t.Errorf("written %x: %v", got, err)
			}
			got, err := test.codec.ParseSPS(parsed.SPS[0])
			if err != nil {
				t.Fatal(err)
			}
			if s := got.Codec(test.entry); s != test.string {
				t.Errorf("codec %q, want %q", s, test.string)
			}
			if got.Profile = ""; got != test.video {
				t.Errorf("video %+v, want %+v", got, test.video)
			}
			stream := parsed.Append(nil)
			stream = AppendUnit(stream, []byte{0x26, 0x01, 0xaf})
			if again := test.codec.ParameterSets(append(stream, stream...)); len(again.SPS) != 1 || !bytes.Equal(again.PPS[0], parsed.PPS[0]) {
				t.Errorf("parameter sets of the stream: %+v", again)
			}
			for n := range want {
				_, _ = test.codec.ParseConfiguration(want[:n]) // whatever it says, it does not panic
			}
		})
	}
}

// Where the bitstream does not tell its reordering, the level bounds it.
func TestReorderByLevel(t *testing.T) {
	// High profile, level 3.0, 640 by 480, picture order of type 0, without VUI.
	var w bitWriter
	w.write(0x6764001e, 32)
	w.golomb(0) // sps id
	w.golomb(1) // 4:2:0
	w.golomb(0) // depths
	w.golomb(0)
	w.write(0, 2) // no bypass, no scaling
	w.golomb(0)   // frame number
	w.golomb(0)   // picture order of type 0
	w.golomb(0)
	w.golomb(4) // reference frames
	w.write(0, 1)
	w.golomb(39)
	w.golomb(29)
	w.write(0b1100_1, 5) // frames only, direct inference; no cropping, no VUI; stop
	v, err := AVC.ParseSPS(w.b)
	if err != nil || v.Size != (media.Size{Width: 640, Height: 480}) || v.Reorder != 8100/1200 {
		t.Errorf("%+v: %v", v, err)
	}
}

// golomb writes an unsigned Exp-Golomb code.
func (w *bitWriter) golomb(v uint32) {
	n := bits.Len32(v + 1)
	w.write(0, n-1)
	w.write(v+1, n)
}

func TestParameterSetsAreWanted(t *testing.T) {
	if _, err := AVC.Configuration(ParameterSets{SPS: [][]byte{{0x67, 1, 2, 3}}}); err == nil {
		t.Error("a description without a picture parameter set")
	}
	if _, err := AVC.ParseSPS([]byte{0x67, 0x42}); err == nil {
		t.Error("a short parameter set")
	}
	if _, err := HEVC.ParseSPS(nil); err == nil {
		t.Error("no parameter set")
	}
}

func TestVP9AndAV1(t *testing.T) {
	frame := unhex(t, "824983420009f007760638241c18420009005f7f9fe4fbf6")
	v, err := ParseVP9(frame, 15)
	if err != nil || v.Codec("vp09") != "vp09.00.10.08" || v.Size != (media.Size{Width: 160, Height: 120}) || !VP9Key(frame) {
		t.Errorf("VP9: %+v, %v", v, err)
	}
	unit := unhex(t, "0a0a00000003b4ff73efe401328b14")
	if v, err = ParseAV1(unit); err != nil || v.Codec("av01") != "av01.0.00M.08" || v.Size != (media.Size{Width: 160, Height: 120}) || !AV1Key(unit) {
		t.Errorf("AV1: %+v, %v", v, err)
	}
	if v, err = ParseAV1(unhex(t, "81000c000a0a00000003b4ff700be001")[4:]); err != nil || v.Codec("av01") != "av01.0.00M.08" {
		t.Errorf("av1C: %+v, %v", v, err)
	}
	if AV1Key(unhex(t, "328b14")) || VP9Key([]byte{0x86, 0}) || VP9Key(nil) {
		t.Error("a delta frame is a key frame")
	}
	if size, err := ParseVP8(unhex(t, "30010f9d012aa0007800")); err != nil || size != (media.Size{Width: 160, Height: 120}) {
		t.Errorf("VP8: %v, %v", size, err)
	}
}

func TestLibraryPanics(t *testing.T) {
	err := guarded("something", func() error { panic("out of range") })
	if err == nil || err.Error() != "codec: something cannot be read: out of range" {
		t.Errorf("%v", err)
	}
}

func FuzzVideo(f *testing.F) {
	for _, s := range []string{avcMain, avcHigh, avcHigh444, hevcMain, "824983420009f007760638241c18420009005f7f9fe4fbf6", "0a0a00000003b4ff73efe401328b14"} {
		f.Add(unhex(f, s))
	}
	for _, name := range []string{"b.264", "b.265"} {
		b, err := os.ReadFile("../../format/annexb/testdata/" + name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b[:2000])
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		for _, c := range []NAL{AVC, HEVC} {
			if p, err := c.ParseConfiguration(b); err == nil {
				for _, sps := range p.SPS {
					_, _ = c.ParseSPS(sps)
				}
				_, _ = c.Configuration(p.ParameterSets)
			}
			if v, err := c.ParseSPS(b); err == nil && (v.Size.Width <= 0 || v.Size.Height <= 0 || v.Reorder < 0 || v.Reorder > 16) {
				t.Errorf("%+v", v)
			}
			access, order := AccessUnits{Codec: c}, Order{Codec: c}
			for range 2 {
				seen := access.Look(b)
				if order.Add(access.Sets()); seen.Slice != nil {
					order.Place(seen.Slice)
				}
				access.Append(nil, b, seen)
			}
			c.KeyFrame(b)
			c.RecoveryPoint(b)
			c.AppendSample(nil, b)
		}
		_, _ = ParseVP9(b, 30)
		_, _ = ParseAV1(b)
		_, _ = AppendAnnexB(nil, b, 4)
	})
}
