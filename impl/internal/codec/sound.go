package codec

import (
	"errors"

	"github.com/bluenviron/mediacommon/v2/pkg/codecs/ac3"
	"github.com/bluenviron/mediacommon/v2/pkg/codecs/eac3"
)

var (
	// ErrNoFrame is of bytes at which no frame begins, or one of a kind that is
	// not known.
	ErrNoFrame = errors.New("codec: no frame of sound begins here")

	// ErrMore is of bytes that end within the header of a frame.
	ErrMore = errors.New("codec: the header of a frame of sound is not whole")
)

// A Sound is what the header of a frame of sound says. The header is part of
// the frame.
type Sound struct {
	Codec    string // "mp3", "mp2", "ac-3", "ec-3"
	Size     int    // bytes of the frame
	Rate     int    // samples a second
	Channels int
	Samples  int // of each channel, in the frame

	// Dependent: the frame adds channels to the one before it, and is part of
	// its packet.
	Dependent bool
}

// mpegRates are the sample rates of MPEG-1; MPEG-2 has half of them, and
// MPEG-2.5 a quarter.
var mpegRates = [...]int{44100, 48000, 32000}

// mpegBitrates are those of a frame in kbit/s, by its index.
var mpegBitrates = [...][15]int{
	{0, 32, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384}, // MPEG-1 layer II
	{0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320},  // MPEG-1 layer III
	{0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160},      // MPEG-2, both
}

// ParseMPEG reads the header of a frame of MP2 or MP3 (ISO/IEC 11172-3, section
// 2.4.2.3, with MPEG-2 and MPEG-2.5).
func ParseMPEG(b []byte) (Sound, error) {
	if len(b) < 4 {
		return Sound{}, ErrMore
	}
	version, layer := b[1]>>3&3, 4-int(b[1]>>1&3)
	bitrate, rate := int(b[2]>>4), int(b[2]>>2&3)
	if b[0] != 0xff || b[1]&0xe0 != 0xe0 || version == 1 || layer != 2 && layer != 3 ||
		bitrate == 0 || bitrate == 15 || rate == 3 {
		return Sound{}, ErrNoFrame
	}
	s := Sound{Codec: "mp2", Rate: mpegRates[rate], Channels: 2, Samples: 1152}
	table := layer - 2
	const mpeg1, mpeg2 = 3, 2
	if version != mpeg1 {
		table = 2
		if s.Rate /= 2; version != mpeg2 {
			s.Rate /= 2
		}
	}
	if layer == 3 {
		s.Codec = "mp3"
		if version != mpeg1 {
			s.Samples = 576
		}
	}
	const mono = 3
	if b[3]>>6 == mono {
		s.Channels = 1
	}
	s.Size = s.Samples/8*mpegBitrates[table][bitrate]*1000/s.Rate + int(b[2]>>1&1)
	return s, nil
}

// ParseAC3 reads the header of a frame of AC-3 or E-AC-3 (ETSI TS 102 366).
func ParseAC3(b []byte) (Sound, error) {
	switch {
	case len(b) < 8:
		return Sound{}, ErrMore
	case b[0] != 0x0b || b[1] != 0x77:
		return Sound{}, ErrNoFrame
	}
	const enhanced = 11 // the least bsid of E-AC-3
	if b[5]>>3 < enhanced {
		return parsePlainAC3(b)
	}
	var info eac3.SyncInfo
	const dependent, reserved = 1, 3
	if guarded("E-AC-3 frame", func() error { return info.Unmarshal(b) }) != nil || info.Strmtyp == reserved {
		return Sound{}, ErrNoFrame
	}
	return Sound{
		Codec: "ec-3", Size: info.FrameSize(), Rate: info.SampleRate(), Channels: info.ChannelCount(),
		Samples: 256 * info.NumBlocks(), Dependent: info.Strmtyp == dependent,
	}, nil
}

func parsePlainAC3(b []byte) (Sound, error) {
	var sync ac3.SyncInfo
	var info ac3.BSI
	err := guarded("AC-3 frame", func() error {
		if err := sync.Unmarshal(b); err != nil {
			return err
		}
		return info.Unmarshal(b[5:])
	})
	if err != nil {
		return Sound{}, ErrNoFrame
	}
	return Sound{Codec: "ac-3", Size: sync.FrameSize(), Rate: sync.SampleRate(), Channels: info.ChannelCount(), Samples: 1536}, nil
}
