package cmaf

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/Eyevinn/mp4ff/mp4"

	"github.com/moqlite/moqlite/api/media"
	"github.com/moqlite/moqlite/impl/internal/codec"
)

// Where the boxes of a sample entry begin, behind its fixed fields.
const (
	visualFields = 78
	audioFields  = 28
)

// parseEntry reads a sample entry: the codec, and how its decoder is configured.
func (h *Header) parseEntry(entry Box) (err error) {
	switch name := string(entry.Name); name {
	case "avc1", "avc3", "hvc1", "hev1", "vp08", "vp09", "av01":
		if len(entry.Body) < visualFields {
			return malformed("a sample entry %q of %d bytes", name, len(entry.Body))
		}
		h.Track.Video, err = parseVisual(name, entry.Body)
	case "mp4a", "Opus", "fLaC", ".mp3":
		if len(entry.Body) < audioFields {
			return malformed("a sample entry %q of %d bytes", name, len(entry.Body))
		}
		h.Track.Audio, err = parseAudio(name, entry.Body)
	case "encv", "enca":
		err = errors.New("cmaf: the track is encrypted")
	default:
		err = fmt.Errorf("cmaf: the track is %q, of which no packets are made", name)
	}
	return err
}

// parseVisual reads the body of a sample entry of pictures.
func parseVisual(name string, body []byte) (*media.VideoRendition, error) {
	v := &media.VideoRendition{CodedSize: media.Size{
		Width:  int(binary.BigEndian.Uint16(body[24:])),
		Height: int(binary.BigEndian.Uint16(body[26:])),
	}}
	boxes := body[visualFields:]
	switch name {
	case "avc1", "avc3":
		record, err := need(boxes, "avcC", name)
		if err != nil {
			return nil, err
		}
		if v.Codec, err = avcCodec(name, record); err != nil {
			return nil, err
		}
		v.Description = bytes.Clone(record)
	case "hvc1", "hev1":
		record, err := need(boxes, "hvcC", name)
		if err != nil {
			return nil, err
		}
		if v.Codec, err = hevcCodec(name, record); err != nil {
			return nil, err
		}
		v.Description = bytes.Clone(record)
	case "vp08":
		v.Codec = "vp8"
	case "vp09":
		record, err := need(boxes, "vpcC", name)
		if err != nil {
			return nil, err
		}
		if v.Codec, err = vp9Codec(record); err != nil {
			return nil, err
		}
	case "av01":
		record, err := need(boxes, "av1C", name)
		if err != nil {
			return nil, err
		}
		if v.Codec, err = av1Codec(record); err != nil {
			return nil, err
		}
	}
	return v, parseAspect(v, boxes)
}

// parseAspect reads the shape of the pixels, and leaves out what is impossible.
func parseAspect(v *media.VideoRendition, boxes []byte) error {
	body, ok, err := find(boxes, "pasp")
	if err != nil || !ok {
		return err
	}
	pasp, err := decode[*mp4.PaspBox](Box{[]byte("pasp"), body}, mp4.DecodePaspSR)
	if err != nil {
		return err
	}
	x, y := uint64(pasp.HSpacing), uint64(pasp.VSpacing)
	if x == y || x == 0 || y == 0 || v.CodedSize.Width == 0 || v.CodedSize.Height == 0 {
		return nil
	}
	x, y = x*uint64(v.CodedSize.Width), y*uint64(v.CodedSize.Height)
	g := gcd(x, y)
	v.DisplayAspect = media.Size{Width: int(x / g), Height: int(y / g)}
	return nil
}

func gcd(a, b uint64) uint64 {
	for b != 0 {
		a, b = b, a%b
	}
	return a
}

// parseAudio reads the body of a sample entry of sound.
func parseAudio(name string, body []byte) (*media.AudioRendition, error) {
	a := &media.AudioRendition{
		Channels:   int(binary.BigEndian.Uint16(body[16:])),
		SampleRate: int(binary.BigEndian.Uint16(body[24:])),
	}
	boxes, err := soundBoxes(body)
	if err != nil {
		return nil, err
	}
	switch name {
	case "mp4a":
		err = parseESDS(a, boxes)
	case "Opus":
		err = parseOpus(a, boxes)
	case "fLaC":
		err = parseFLAC(a, boxes)
	case ".mp3":
		a.Codec = "mp3"
	}
	if err == nil && (a.SampleRate == 0 || a.Channels == 0) {
		err = malformed("sound %q of %d channels at %d Hz", name, a.Channels, a.SampleRate)
	}
	return a, err
}

// soundBoxes returns the boxes of a sample entry of sound. QuickTime has two
// longer forms of it, and puts the boxes of the second into one named wave.
func soundBoxes(body []byte) ([]byte, error) {
	fields := audioFields
	switch version := binary.BigEndian.Uint16(body[8:]); version {
	case 1:
		fields += 16
	case 2:
		fields += 36
	}
	if len(body) < fields {
		return nil, malformed("a sample entry of sound of %d bytes", len(body))
	}
	boxes := body[fields:]
	if fields == audioFields {
		return boxes, nil
	}
	if wave, ok, err := find(boxes, "wave"); err != nil || ok {
		return wave, err
	}
	return boxes, nil
}

// Object types of the sound in an esds box.
const (
	typeAAC    = 0x40
	typeMP2AAC = 0x67 // of MPEG-2, low complexity
	typeMP3    = 0x6b
	typeMP3Low = 0x69 // at half the sample rates
)

// parseESDS reads what an mp4a entry holds.
func parseESDS(a *media.AudioRendition, boxes []byte) error {
	body, err := need(boxes, "esds", "mp4a")
	if err != nil {
		return err
	}
	esds, err := decode[*mp4.EsdsBox](Box{[]byte("esds"), body}, mp4.DecodeEsdsSR)
	if err != nil {
		return err
	}
	config := esds.DecConfigDescriptor
	switch config.ObjectType {
	case typeMP3, typeMP3Low:
		a.Codec = "mp3"
		return nil
	case typeAAC, typeMP2AAC:
		if config.DecSpecificInfo == nil {
			return malformed("AAC without an AudioSpecificConfig")
		}
		aac, err := codec.ParseAAC(config.DecSpecificInfo.DecConfig)
		if err != nil {
			return malformed("%v", err)
		}
		a.Codec, a.SampleRate = aac.Codec(), aac.SampleRate()
		a.Description = bytes.Clone(config.DecSpecificInfo.DecConfig)
		if n := aac.ChannelCount(); n > 0 {
			a.Channels = n
		}
		return nil
	}
	return fmt.Errorf("cmaf: mp4a of the object type %#x, of which no packets are made", config.ObjectType)
}

// parseOpus reads a dOps box.
func parseOpus(a *media.AudioRendition, boxes []byte) error {
	body, err := need(boxes, "dOps", "Opus")
	if err != nil {
		return err
	}
	dops, err := decode[*mp4.DopsBox](Box{[]byte("dOps"), body}, mp4.DecodeDopsSR)
	if err != nil {
		return err
	}
	head := codec.OpusHead{Channels: int(dops.OutputChannelCount), PreSkip: int(dops.PreSkip),
		Rate: int(dops.InputSampleRate), Gain: dops.OutputGain, Family: dops.ChannelMappingFamily}
	if head.Family != 0 {
		head.Mapping = append([]byte{dops.StreamCount, dops.CoupledCount}, dops.ChannelMapping...)
	}
	if a.Description, err = head.Append(nil); err != nil {
		return malformed("%v", err)
	}
	a.Codec, a.SampleRate, a.Channels = "opus", codec.OpusRate, head.Channels
	return nil
}

// parseFLAC reads a dfLa box, whose first block is STREAMINFO.
func parseFLAC(a *media.AudioRendition, boxes []byte) error {
	body, err := need(boxes, "dfLa", "fLaC")
	if err != nil {
		return err
	}
	flac, err := codec.ParseFLAC(body[min(4, len(body)):]) // behind version and flags
	if err != nil {
		return malformed("%v", err)
	}
	a.Codec, a.Description = "flac", flac.Description()
	a.SampleRate, a.Channels = flac.Rate, flac.Channels
	return nil
}
