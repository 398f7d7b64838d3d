package ingest

import (
	"strings"

	"github.com/moqlite/moqlite/api/media"
	"github.com/moqlite/moqlite/impl/internal/codec"
)

// describe makes the rendition of t fit its description, after another one came
// with a packet: the codec's string and what can be read of sizes and rates. Of
// a codec whose description does not tell, it changes nothing.
func describe(t media.Track) error {
	if t.Audio != nil {
		return describeAudio(t.Audio)
	}
	entry, _, _ := strings.Cut(t.Video.Codec, ".")
	switch entry {
	case "avc1", "avc3":
		return describeUnits(t.Video, codec.AVC, entry)
	case "hvc1", "hev1":
		return describeUnits(t.Video, codec.HEVC, entry)
	}
	return nil
}

// describeUnits describes a rendition by the first sequence parameter set of
// its description.
func describeUnits(r *media.VideoRendition, c codec.NAL, entry string) error {
	configuration, err := c.ParseConfiguration(r.Description)
	if err != nil || len(configuration.SPS) == 0 {
		return err
	}
	video, err := c.ParseSPS(configuration.SPS[0])
	if err != nil {
		return err
	}
	measured := r.Framerate
	video.Describe(r, entry)
	if r.Framerate == 0 {
		r.Framerate = measured
	}
	return nil
}

func describeAudio(r *media.AudioRendition) error {
	if !strings.HasPrefix(r.Codec, "mp4a.40") {
		return nil
	}
	aac, err := codec.ParseAAC(r.Description)
	if err != nil {
		return err
	}
	r.Codec, r.SampleRate, r.Channels = aac.Codec(), aac.SampleRate(), aac.ChannelCount()
	return nil
}
