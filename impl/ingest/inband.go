package ingest

import (
	"fmt"
	"strings"

	"github.com/moqlite/moqlite/api/media"
	"github.com/moqlite/moqlite/impl/internal/codec"
)

// outOfBand are the sample entries of tracks of H.264 and H.265 whose parameter
// sets are in their description, by those whose may be in the frames.
var outOfBand = map[string]string{"avc1": "avc1", "avc3": "avc1", "hvc1": "hvc1", "hev1": "hvc1"}

// inBand tells whether a track of H.264 or H.265 has no description: its frames
// are in the form of annex B and have the parameter sets, as in transport
// streams.
func inBand(t media.Track) (c codec.NAL, is bool) {
	if t.Video == nil || t.Video.Description != nil {
		return 0, false
	}
	entry, _, _ := strings.Cut(t.Video.Codec, ".")
	if strings.HasPrefix(entry, "h") {
		c = codec.HEVC
	}
	return c, outOfBand[entry] != ""
}

// describeInBand gives the tracks a description that have theirs in band, but
// are published in a container that has it in its init.
func (out *sender) describeInBand(s *survey) error {
	for _, t := range out.tracks {
		f := out.feeds[t.ID]
		if f.units == nil {
			continue
		}
		for _, a := range s.packets {
			if a.Track == t.ID && t.Video.Description == nil {
				t.Video.Description = f.description(&a.Packet)
			}
		}
		if t.Video.Description == nil {
			return fmt.Errorf("ingest: track %s: no key frame with its parameter sets came in the first %v, which %v needs", f.name, surveyTime, out.config.Container)
		}
		entry, profile, _ := strings.Cut(t.Video.Codec, ".")
		t.Video.Codec = outOfBand[entry] + "." + profile
		if err := out.setEncoder(t); err != nil {
			return err
		}
	}
	return nil
}

// description returns the description that a key frame in the form of annex B
// has; nil: none, or only a part of it.
func (f *feed) description(p *media.Packet) []byte {
	if !p.Key {
		return nil
	}
	description, err := f.units.Configuration(f.units.ParameterSets(p.Payload))
	if err != nil {
		return nil
	}
	return description
}

// samples encodes packets in the form of annex B as those of a track with a
// description.
type samples struct {
	encoder
	codec  codec.NAL
	packet media.Packet
	sample []byte // memory for the one that is encoded
}

func (s *samples) append(dst []byte, p *media.Packet) ([]byte, error) {
	s.sample = s.codec.AppendSample(s.sample[:0], p.Payload)
	s.packet = *p
	s.packet.Payload = s.sample
	return s.encoder.append(dst, &s.packet)
}
