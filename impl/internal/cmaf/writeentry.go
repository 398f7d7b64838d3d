package cmaf

import (
	"fmt"
	"math"
	"strings"

	"github.com/Eyevinn/mp4ff/mp4"

	"github.com/moqlite/moqlite/api/media"
	"github.com/moqlite/moqlite/impl/internal/codec"
)

// newEntry builds the sample entry of a track.
func newEntry(t *media.Track) (mp4.Box, error) {
	if t.Video != nil {
		return newVisual(t.Video)
	}
	return newAudio(t.Audio)
}

// raw makes a box of a body that is written as it is.
func raw(name string, body []byte) *mp4.UnknownBox {
	return mp4.CreateUnknownBox(name, uint64(8+len(body)), body)
}

// newVisual builds a sample entry of pictures. Their descriptions are written
// byte by byte as they came.
func newVisual(v *media.VideoRendition) (mp4.Box, error) {
	w, h := v.CodedSize.Width, v.CodedSize.Height
	if w < 0 || w > math.MaxUint16 || h < 0 || h > math.MaxUint16 {
		return nil, fmt.Errorf("pictures of %d by %d", w, h)
	}
	name, _, _ := strings.Cut(v.Codec, ".")
	var config mp4.Box
	var err error
	switch name {
	case "avc1", "avc3":
		if _, err = avcCodec(name, v.Description); err == nil {
			config = raw("avcC", v.Description)
		}
	case "hvc1", "hev1":
		if _, err = hevcCodec(name, v.Description); err == nil {
			config = raw("hvcC", v.Description)
		}
	case "vp8":
		name, config = "vp08", &mp4.VppCBox{Version: 1, BitDepth: 8, ChromaSubsampling: 1,
			ColourPrimaries: 2, TransferCharacteristics: 2, MatrixCoefficients: 2}
	case "vp09":
		config, err = newVP9(v.Codec)
	case "av01":
		config, err = newAV1(v)
	default:
		err = fmt.Errorf("no MP4 of pictures in %q is written", v.Codec)
	}
	if err != nil {
		if v.Description == nil && (config == nil) {
			err = fmt.Errorf("%w (%s, of which no description is there)", err, v.Codec)
		}
		return nil, err
	}
	entry := mp4.CreateVisualSampleEntryBox(name, uint16(w), uint16(h), config)
	entry.CompressorName = ""
	if x, y, ok := pixelAspect(v); ok {
		entry.AddChild(&mp4.PaspBox{HSpacing: x, VSpacing: y})
	}
	return entry, nil
}

// pixelAspect returns the shape of a pixel, if it is no square.
func pixelAspect(v *media.VideoRendition) (x, y uint32, ok bool) {
	a, c := v.DisplayAspect, v.CodedSize
	for _, n := range []int{a.Width, a.Height, c.Width, c.Height} {
		if n <= 0 || n > math.MaxInt32 {
			return 0, 0, false
		}
	}
	wide, high := uint64(a.Width)*uint64(c.Height), uint64(a.Height)*uint64(c.Width)
	g := gcd(wide, high)
	wide, high = wide/g, high/g
	return uint32(wide), uint32(high), wide != high && wide <= math.MaxUint32 && high <= math.MaxUint32
}

// codecNumbers reads the numbers of a codec's string, behind its name. Those
// that are left out keep what numbers has.
func codecNumbers(name string, numbers []int) error {
	for i, part := range strings.Split(name, ".")[1:] {
		if i == len(numbers) {
			break
		}
		if _, err := fmt.Sscanf(part, "%d", &numbers[i]); err != nil || numbers[i] < 0 || numbers[i] > math.MaxUint8 {
			return fmt.Errorf("the codec %q", name)
		}
	}
	return nil
}

func newVP9(name string) (*mp4.VppCBox, error) {
	n := []int{0, 10, 8, 1, 1, 1, 1, 0} // what the binding has for those that are left out
	if err := codecNumbers(name, n); err != nil {
		return nil, err
	}
	if n[2] > 15 || n[3] > 7 || n[7] > 1 {
		return nil, fmt.Errorf("the codec %q", name)
	}
	return &mp4.VppCBox{Version: 1, Profile: byte(n[0]), Level: byte(n[1]), BitDepth: byte(n[2]), ChromaSubsampling: byte(n[3]),
		ColourPrimaries: byte(n[4]), TransferCharacteristics: byte(n[5]), MatrixCoefficients: byte(n[6]), VideoFullRangeFlag: byte(n[7])}, nil
}

// newAV1 builds an av1C box: the description if there is one, else one of what
// the codec's string says, without a sequence header: key frames have it.
func newAV1(v *media.VideoRendition) (mp4.Box, error) {
	if len(v.Description) >= 4 && v.Description[0] == 0x81 {
		return raw("av1C", v.Description), nil
	}
	var profile, level, depth int
	var tier byte
	if _, err := fmt.Sscanf(v.Codec, "av01.%1d.%2d%c.%2d", &profile, &level, &tier, &depth); err != nil || profile > 2 || level > 31 {
		return nil, fmt.Errorf("the codec %q", v.Codec)
	}
	record := []byte{0x81, byte(profile<<5 | level), 0, 0}
	if tier == 'H' {
		record[2] |= 0x80
	}
	if depth > 8 {
		record[2] |= 0x40
	}
	if depth > 10 {
		record[2] |= 0x20
	}
	switch profile { // its chroma subsampling; of profile 2 with 12 bits the usual one
	case 0:
		record[2] |= 0x0c
	case 2:
		record[2] |= 0x08
	}
	return raw("av1C", record), nil
}

// newAudio builds a sample entry of sound.
func newAudio(a *media.AudioRendition) (mp4.Box, error) {
	if a.SampleRate <= 0 || a.Channels <= 0 || a.Channels > math.MaxUint8 {
		return nil, fmt.Errorf("sound of %d channels at %d Hz", a.Channels, a.SampleRate)
	}
	name, rate := "mp4a", a.SampleRate
	var config mp4.Box
	var err error
	switch family, _, _ := strings.Cut(a.Codec, "."); family {
	case "mp4a":
		if _, err = codec.ParseAAC(a.Description); err == nil {
			config = mp4.CreateEsdsBox(a.Description)
		}
	case "mp3":
		esds := mp4.CreateEsdsBox(nil)
		esds.DecConfigDescriptor.ObjectType = typeMP3
		esds.DecConfigDescriptor.DecSpecificInfo = nil
		config = esds
	case "opus":
		name, rate = "Opus", codec.OpusRate
		config, err = newOpus(a)
	case "flac":
		name = "fLaC"
		config, err = newFLAC(a)
	default:
		err = fmt.Errorf("no MP4 of sound in %q is written", a.Codec)
	}
	if err != nil {
		return nil, err
	}
	if rate > math.MaxUint16 {
		rate = 0 // the field is too small; the configuration says it
	}
	entry := mp4.CreateAudioSampleEntryBox(name, uint16(a.Channels), 16, uint16(rate), nil)
	entry.Children = append(entry.Children, config)
	return entry, nil
}

// newOpus builds a dOps box of an OpusHead. Without one nothing is skipped: what
// is recorded does not begin with the encoder.
func newOpus(a *media.AudioRendition) (mp4.Box, error) {
	head := codec.OpusHead{Channels: a.Channels, Rate: codec.OpusRate}
	if len(a.Description) > 0 {
		var err error
		if head, err = codec.ParseOpusHead(a.Description); err != nil {
			return nil, err
		}
	} else if a.Channels > 2 {
		return nil, fmt.Errorf("opus of %d channels has no description that says which they are", a.Channels)
	}
	box := &mp4.DopsBox{OutputChannelCount: byte(head.Channels), PreSkip: uint16(head.PreSkip),
		InputSampleRate: uint32(head.Rate), OutputGain: head.Gain, ChannelMappingFamily: head.Family}
	if head.Family != 0 {
		box.StreamCount, box.CoupledCount, box.ChannelMapping = head.Mapping[0], head.Mapping[1], head.Mapping[2:]
	}
	return box, nil
}

// newFLAC builds a dfLa box, which has the metadata block of STREAMINFO.
func newFLAC(a *media.AudioRendition) (mp4.Box, error) {
	flac, err := codec.ParseFLAC(a.Description)
	if err != nil {
		return nil, err
	}
	return raw("dfLa", append(make([]byte, 4), flac.Description()[4:]...)), nil
}
