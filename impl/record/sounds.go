package record

import (
	"strconv"
	"strings"
	"time"

	"github.com/moqlite/moqlite/api/media"
	"github.com/moqlite/moqlite/impl/internal/codec"
)

// sounds turns the payloads of a rendition of sound into those of a file.
type sounds struct {
	rendition media.AudioRendition // as it is recorded
	family    string
	adts      bool          // frames may have headers of ADTS
	frame     time.Duration // how long a frame lasts; 0: it tells itself
}

func newSounds(r *rendition, c *container) *sounds {
	s := &sounds{rendition: *r.audio}
	s.family, _, _ = strings.Cut(s.rendition.Codec, ".")
	s.rendition.Container, s.rendition.Broadcast = media.Container{}, ""
	if len(s.rendition.Description) == 0 {
		s.rendition.Description = nil
		if c.header != nil && c.header.Track.Audio != nil {
			s.rendition.Description = c.header.Track.Audio.Description
		}
	}
	switch s.family {
	case "opus":
		s.describeOpus()
	case "mp4a":
		s.describeAAC()
	case "flac":
		if f, err := codec.ParseFLAC(s.rendition.Description); err == nil {
			s.frame = seconds(f.Samples, f.Rate)
		}
	}
	return s
}

// describeOpus makes the identification header that browsers leave out. Nothing is
// to be skipped: a recording does not begin with the encoder.
func (s *sounds) describeOpus() {
	if s.rendition.Description != nil {
		return
	}
	head := codec.OpusHead{Channels: s.rendition.Channels, Rate: s.rendition.SampleRate}
	if b, err := head.Append(nil); err == nil {
		s.rendition.Description = b
	}
}

// describeAAC reads the AudioSpecificConfig, or makes one of what the catalog says.
func (s *sounds) describeAAC() {
	r := &s.rendition
	if r.Description == nil {
		object, err := strconv.Atoi(strings.TrimPrefix(r.Codec, "mp4a.40."))
		if err != nil {
			return
		}
		s.adts = true
		b, err := codec.AAC{Object: object, Rate: r.SampleRate, Channels: r.Channels}.Config()
		if err != nil {
			return
		}
		r.Description = b
	}
	if aac, err := codec.ParseAAC(r.Description); err == nil {
		s.frame = seconds(aac.Samples(), aac.SampleRate())
	}
}

// seconds is how long samples last.
func seconds(samples, rate int) time.Duration {
	if samples <= 0 || rate <= 0 {
		return 0
	}
	return time.Duration(samples) * time.Second / time.Duration(rate)
}

// convert appends the payload as it is in a file, and says how long it lasts; 0:
// it does not tell.
func (s *sounds) convert(dst, payload []byte) ([]byte, time.Duration) {
	if s.adts {
		if a, err := codec.ParseADTS(payload); err == nil && a.Size == len(payload) {
			payload = payload[a.Header:]
		}
	}
	return append(dst, payload...), s.duration(payload)
}

func (s *sounds) duration(payload []byte) time.Duration {
	var header codec.Sound
	var err error
	switch s.family {
	case "opus":
		return seconds(codec.OpusSamples(payload), codec.OpusRate)
	case "mp3", "mp2":
		header, err = codec.ParseMPEG(payload)
	case "ac-3", "ec-3":
		header, err = codec.ParseAC3(payload)
	default:
		return s.frame
	}
	if err != nil {
		return 0
	}
	return seconds(header.Samples, header.Rate)
}
