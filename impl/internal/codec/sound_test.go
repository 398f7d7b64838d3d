package codec

import (
	"encoding/hex"
	"errors"
	"testing"
)

func TestAAC(t *testing.T) {
	for _, test := range []struct {
		name, config, codec     string
		rate, channels, samples int
	}{
		{"LC, as ffmpeg writes it", "119056e500", "mp4a.40.2", 48000, 2, 1024},
		{"mono", "118856e500", "mp4a.40.2", 48000, 1, 1024},
		{"two bytes", "1210", "mp4a.40.2", 44100, 2, 1024},
		{"960 samples", "1194", "mp4a.40.2", 48000, 2, 960},
		{"SBR told behind", "131056e598", "mp4a.40.2", 48000, 2, 2048},
		{"SBR told in front", "2b118800", "mp4a.40.5", 48000, 2, 2048},
		{"PS", "eb098800", "mp4a.40.29", 48000, 2, 2048},
		{"88200", "1090", "mp4a.40.2", 88200, 2, 1024},
		{"a rate of its own", "178093a010", "mp4a.40.2", 75584, 2, 1024},
		{"7.1", "11b8", "mp4a.40.2", 48000, 8, 1024},
	} {
		t.Run(test.name, func(t *testing.T) {
			a, err := ParseAAC(unhex(t, test.config))
			if err != nil {
				t.Fatal(err)
			}
			if a.Codec() != test.codec || a.SampleRate() != test.rate || a.ChannelCount() != test.channels || a.Samples() != test.samples {
				t.Errorf("%+v: %s %d Hz %d channels %d samples", a, a.Codec(), a.SampleRate(), a.ChannelCount(), a.Samples())
			}
			written, err := a.Config()
			if err != nil {
				t.Fatal(err)
			}
			again, err := ParseAAC(written)
			if err != nil || again.SampleRate() != test.rate || again.ChannelCount() != test.channels || again.Samples() != test.samples {
				t.Errorf("written %x: %+v, %v", written, again, err)
			}
		})
	}
	for _, bad := range []string{"", "11", "17", "1f", "1780"} {
		if a, err := ParseAAC(unhex(t, bad)); err == nil {
			t.Errorf("%s: %+v", bad, a)
		}
	}
	if _, err := (AAC{Object: 2, Rate: 48000}).Config(); err == nil {
		t.Error("a configuration without channels")
	}
}

func TestADTS(t *testing.T) {
	frame := unhex(t, "fff15040257ffc011855ae9496190754baee737c74e1557938c9040dc9dbda4400250904530894c8a4644a251661")
	a, err := ParseADTS(frame)
	if err != nil || a.Header != 7 || a.Size != 299 || a.AAC.Rate != 44100 || a.AAC.Channels != 1 {
		t.Errorf("%+v, %v", a, err)
	}
	config, err := a.AAC.Config()
	if err != nil || hex.EncodeToString(config) != "1208" || a.AAC.Codec() != "mp4a.40.2" {
		t.Errorf("configuration %x, %v", config, err)
	}
	if _, err := ParseADTS(frame[:6]); !errors.Is(err, ErrMore) {
		t.Errorf("a short header: %v", err)
	}
	frame[1] = 0xf7 // a layer
	if _, err := ParseADTS(frame); !errors.Is(err, ErrNoFrame) {
		t.Errorf("MP3 as ADTS: %v", err)
	}
}

// Frames that ffmpeg encoded, with what ffprobe says of the packets.
func TestFramesOfSound(t *testing.T) {
	for _, test := range []struct {
		header string
		parse  func([]byte) (Sound, error)
		want   Sound
	}{
		{"fff340c400146886", ParseMPEG, Sound{Codec: "mp3", Size: 104, Rate: 22050, Channels: 1, Samples: 576}},
		{"fffb54c40000091c", ParseMPEG, Sound{Codec: "mp3", Size: 192, Rate: 48000, Channels: 1, Samples: 1152}},
		{"fffde0c4ecccbdcb", ParseMPEG, Sound{Codec: "mp2", Size: 1253, Rate: 44100, Channels: 1, Samples: 1152}},
		{"fff5e4c4ffffffff", ParseMPEG, Sound{Codec: "mp2", Size: 960, Rate: 24000, Channels: 1, Samples: 1152}},
		{"0b771ef84c402f84", ParseAC3, Sound{Codec: "ac-3", Size: 416, Rate: 44100, Channels: 1, Samples: 1536}},
		{"0b770dce5e40ebf8", ParseAC3, Sound{Codec: "ac-3", Size: 1950, Rate: 44100, Channels: 6, Samples: 1536}},
		{"0b7700cf7287c000", ParseAC3, Sound{Codec: "ec-3", Size: 416, Rate: 44100, Channels: 1, Samples: 1536}},
		{"0b7703ce7f87c000", ParseAC3, Sound{Codec: "ec-3", Size: 1950, Rate: 44100, Channels: 6, Samples: 1536}},
	} {
		if got, err := test.parse(unhex(t, test.header)); err != nil || got != test.want {
			t.Errorf("%s: %+v, %v; want %+v", test.header, got, err, test.want)
		}
		if _, err := test.parse(unhex(t, test.header)[:3]); !errors.Is(err, ErrMore) {
			t.Errorf("%s cut: %v", test.header, err)
		}
		if _, err := test.parse(make([]byte, 8)); !errors.Is(err, ErrNoFrame) {
			t.Errorf("zeros: %v", err)
		}
	}
}

// The header that catalogs of moq-rs carry.
func TestOpus(t *testing.T) {
	const head = "4f707573486561640102380180bb0000000000"
	h, err := ParseOpusHead(unhex(t, head))
	if err != nil || h.Channels != 2 || h.PreSkip != 312 || h.Rate != 48000 {
		t.Errorf("%+v, %v", h, err)
	}
	if b, err := h.Append(nil); err != nil || hex.EncodeToString(b) != head {
		t.Errorf("written %x, %v", b, err)
	}
	surround := OpusHead{Channels: 6, Rate: 48000, Family: 1, Mapping: []byte{4, 2, 0, 4, 1, 2, 3, 5}}
	b, err := surround.Append(nil)
	if err != nil {
		t.Fatal(err)
	}
	if h, err = ParseOpusHead(b); err != nil || h.Channels != 6 || string(h.Mapping) != string(surround.Mapping) {
		t.Errorf("%+v, %v", h, err)
	}
	for n := range b {
		if _, err := ParseOpusHead(b[:n]); err == nil {
			t.Errorf("%d bytes of a header of %d", n, len(b))
		}
	}
	for packet, want := range map[string]int{"7c87": 960, "fc": 960, "fd": 1920, "ff03": 2880, "08": 480 * 2, "ff": 0, "": 0, "fb3f": 0} {
		if got := OpusSamples(unhex(t, packet)); got != want {
			t.Errorf("%s: %d samples, want %d", packet, got, want)
		}
	}
}

func TestFLAC(t *testing.T) {
	file := unhex(t, "664c614300000022120012000004490004de0ac440f0000033aecd36f8ab0a878da30b37b9efb6c64d51")
	for name, b := range map[string][]byte{"fLaC": file, "a block": file[4:], "alone": file[8:]} {
		f, err := ParseFLAC(b)
		if err != nil || f.Rate != 44100 || f.Channels != 1 || f.Bits != 16 || f.Samples != 4608 {
			t.Errorf("%s: %+v, %v", name, f, err)
		}
		if got := hex.EncodeToString(f.Description()); got != "664c614380000022"+hex.EncodeToString(file[8:]) {
			t.Errorf("%s: description %s", name, got)
		}
	}
	if _, err := ParseFLAC(file[:41]); err == nil {
		t.Error("a short STREAMINFO")
	}
}

func FuzzSound(f *testing.F) {
	for _, s := range []string{"119056e500", "eb098800", "fff15040257ffc01", "fffb54c40000091c", "0b7703ce7f87c000", "56e0112000113c0000000000000000000000000000", "4f707573486561640102380180bb0000000000"} {
		f.Add(unhex(f, s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		if a, err := ParseAAC(b); err == nil {
			_, _ = a.Config()
			a.Samples()
		}
		if a, err := ParseADTS(b); err == nil && a.Size <= a.Header {
			t.Errorf("%+v", a)
		}
		for _, parse := range []func([]byte) (Sound, error){ParseMPEG, ParseAC3} {
			if s, err := parse(b); err == nil && (s.Size <= 0 || s.Rate <= 0 || s.Samples <= 0 || s.Channels <= 0) {
				t.Errorf("%+v", s)
			}
		}
		if n, err := ParseLOAS(b); err == nil && n <= len(b) {
			var l LATM
			_, _, _ = l.Frame(b[LOASHeader:n])
			_, _, _ = l.Frame(b[LOASHeader:n])
		}
		_, _ = ParseOpusHead(b)
		_, _ = ParseFLAC(b)
		OpusSamples(b)
	})
}
