package codec

import (
	"errors"
	"fmt"
	"iter"

	"github.com/bluenviron/mediacommon/v2/pkg/codecs/av1"
	"github.com/moqlite/moqlite/api/media"
)

const obuSequenceHeader = 1

var errNoSequence = errors.New("codec: AV1 without a sequence header")

// obus returns the OBUs of b that tell their size, with their headers (AV1,
// section 5.3), and the last one, which may tell none.
func obus(b []byte) iter.Seq[[]byte] {
	return func(yield func([]byte) bool) {
		for len(b) > 0 {
			n := obuSize(b)
			if n <= 0 || n > len(b) || !yield(b[:n:n]) {
				return
			}
			b = b[n:]
		}
	}
}

// obuSize is the size of the OBU at the beginning of b, with its header; 0: it
// is not whole.
func obuSize(b []byte) int {
	const extended, sized = 0x04, 0x02
	header := 1
	if b[0]&extended != 0 {
		header++
	}
	if b[0]&sized == 0 {
		return len(b)
	}
	var size uint64
	for i := range 8 {
		if header+i >= len(b) {
			return 0
		}
		c := b[header+i]
		size |= uint64(c&0x7f) << (7 * i)
		if c&0x80 == 0 {
			if size > uint64(len(b)) {
				return 0
			}
			return header + i + 1 + int(size)
		}
	}
	return 0
}

// ParseAV1 reads the sequence header among the OBUs of b: a temporal unit that
// begins with a key frame, or what follows the first four bytes of av1C.
func ParseAV1(b []byte) (Video, error) {
	for obu := range obus(b) {
		if obu[0]>>3&15 != obuSequenceHeader {
			continue
		}
		var h av1.SequenceHeader
		if err := guarded("AV1 sequence header", func() error { return h.Unmarshal(obu) }); err != nil {
			return Video{}, err
		}
		return av1Video(&h)
	}
	return Video{}, errNoSequence
}

func av1Video(h *av1.SequenceHeader) (Video, error) {
	v := Video{Size: media.Size{Width: h.Width(), Height: h.Height()}}
	if len(h.SeqLevelIdx) == 0 || !possible(v.Size) {
		return Video{}, errNoSequence
	}
	tier := "M"
	if len(h.SeqTier) > 0 && h.SeqTier[0] {
		tier = "H"
	}
	v.Profile = fmt.Sprintf("%d.%02d%s.%02d", h.SeqProfile, h.SeqLevelIdx[0], tier, h.ColorConfig.BitDepth)
	if t := h.TimingInfo; t != nil && t.EqualPictureInterval {
		v.Framerate = framerate(float64(t.TimeScale), float64(t.NumUnitsInDisplayTick)*(float64(t.NumTicksPerPictureMinus1)+1))
	}
	return v, nil
}

// AV1Key reports whether a temporal unit of AV1 has a sequence header, which
// every key frame that decoding can begin at has before it.
func AV1Key(unit []byte) bool {
	for obu := range obus(unit) {
		if obu[0]>>3&15 == obuSequenceHeader {
			return true
		}
	}
	return false
}
