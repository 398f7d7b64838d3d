package codec

import (
	"fmt"

	"github.com/bluenviron/mediacommon/v2/pkg/codecs/vp9"
	"github.com/moqlite/moqlite/api/media"
)

// ParseVP9 reads a key frame of VP9. Its level is not in the bitstream: it is
// the least that its size and rate (0: 30 a second) need.
func ParseVP9(frame []byte, rate float64) (v Video, err error) {
	var h vp9.Header
	if err := guarded("VP9 frame", func() error { return h.Unmarshal(frame) }); err != nil {
		return Video{}, err
	}
	if h.ColorConfig == nil || h.FrameSize == nil {
		return Video{}, fmt.Errorf("codec: VP9 frame is no key frame")
	}
	size := media.Size{Width: h.Width(), Height: h.Height()}
	return Video{
		Profile:   fmt.Sprintf("%02d.%02d.%02d", h.Profile, vp9Level(size, rate), h.ColorConfig.BitDepth),
		Size:      size,
		Framerate: rate,
	}, nil
}

// vp9Levels are the levels of VP9 with the most samples a second and a picture.
var vp9Levels = [...]struct {
	level, picture int
	second         float64
}{
	{10, 36864, 829440}, {11, 73728, 2764800}, {20, 122880, 4608000}, {21, 245760, 9216000},
	{30, 552960, 20736000}, {31, 983040, 36864000}, {40, 2228224, 83558400}, {41, 2228224, 160432128},
	{50, 8912896, 311951360}, {51, 8912896, 588251136}, {52, 8912896, 1176502272},
	{60, 35651584, 1176502272}, {61, 35651584, 2353004544},
}

func vp9Level(size media.Size, rate float64) int {
	if rate <= 0 {
		rate = 30
	}
	picture := size.Width * size.Height
	for _, l := range vp9Levels {
		if picture <= l.picture && float64(picture)*rate <= l.second {
			return l.level
		}
	}
	return 62
}

// VP9Key reports whether a frame of VP9 is a key frame.
func VP9Key(frame []byte) bool {
	var h vp9.Header
	err := guarded("VP9 frame", func() error { return h.Unmarshal(frame) })
	return err == nil && !h.NonKeyFrame && !h.ShowExistingFrame
}

// VP8Key reports whether a frame of VP8 is a key frame (RFC 6386, section 9.1).
func VP8Key(frame []byte) bool { return len(frame) > 0 && frame[0]&1 == 0 }

// ParseVP8 reads the size of a key frame of VP8 (RFC 6386, section 9.1).
func ParseVP8(frame []byte) (media.Size, error) {
	if len(frame) < 10 || !VP8Key(frame) || frame[3] != 0x9d || frame[4] != 0x01 || frame[5] != 0x2a {
		return media.Size{}, fmt.Errorf("codec: VP8 frame is no key frame")
	}
	return media.Size{
		Width:  int(frame[6]) | int(frame[7]&0x3f)<<8,
		Height: int(frame[8]) | int(frame[9]&0x3f)<<8,
	}, nil
}
