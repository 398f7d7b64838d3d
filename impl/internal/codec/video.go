package codec

import "github.com/moqlite/moqlite/api/media"

// A Video is what a bitstream tells of its pictures.
type Video struct {
	// Profile is the codec's string without the sample entry that comes first:
	// "42c01f" of AVC, "1.6.L93.B0" of HEVC, "00.10.08" of VP9.
	Profile string

	Size      media.Size // in pixels, as it is to be shown
	Aspect    media.Size // of the picture, in lowest terms; zero: its pixels are square
	Framerate float64    // 0: not told
	Interlace bool       // a picture may be two fields

	// Reorder is how many pictures at most come before another in decoding
	// order and after it in the order of showing. It is told by the bitstream,
	// or the most that its profile and level allow.
	Reorder int
}

// Codec returns the codec's string (RFC 6381) under a sample entry, such as
// "avc1", or "avc3" where parameter sets are in the frames.
func (v Video) Codec(entry string) string { return entry + "." + v.Profile }

// Describe sets what v tells of a rendition: its size, aspect and framerate,
// and its codec string under a sample entry.
func (v Video) Describe(r *media.VideoRendition, entry string) {
	r.Codec = v.Codec(entry)
	r.CodedSize, r.DisplayAspect, r.Framerate = v.Size, v.Aspect, v.Framerate
}

// aspect returns the aspect of a picture whose pixels are wide by high.
func aspect(size media.Size, wide, high int) media.Size {
	if wide <= 0 || high <= 0 || wide == high || size.Width <= 0 || size.Height <= 0 {
		return media.Size{}
	}
	w, h := size.Width*wide, size.Height*high
	a, b := w, h
	for b != 0 {
		a, b = b, a%b
	}
	return media.Size{Width: w / a, Height: h / a}
}

// pixelAspects are the aspects of a pixel that have a number: H.264, table E-1,
// and H.265, table E.1.
var pixelAspects = [...][2]int{
	{}, {1, 1}, {12, 11}, {10, 11}, {16, 11}, {40, 33}, {24, 11}, {20, 11}, {32, 11},
	{80, 33}, {18, 11}, {15, 11}, {64, 33}, {160, 99}, {4, 3}, {3, 2}, {2, 1},
}

func pixelAspect(idc uint8, wide, high uint16) (int, int) {
	const extended = 255
	switch {
	case idc == extended:
		return int(wide), int(high)
	case int(idc) < len(pixelAspects):
		return pixelAspects[idc][0], pixelAspects[idc][1]
	}
	return 0, 0
}

// framerate returns ticks/units where that is what a camera may have; 0: not
// told.
func framerate(ticks, units float64) float64 {
	const most = 1000
	if units <= 0 || ticks <= 0 || ticks/units > most {
		return 0
	}
	return ticks / units
}
