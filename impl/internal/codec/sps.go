package codec

import (
	"encoding/hex"
	"errors"
	"fmt"
	"math/bits"
	"strconv"

	"github.com/bluenviron/mediacommon/v2/pkg/codecs/h264"
	"github.com/bluenviron/mediacommon/v2/pkg/codecs/h265"
	"github.com/moqlite/moqlite/api/media"
)

// maxSide is more than any level of a codec allows, and bounds what is
// multiplied.
const maxSide = 1 << 16

var errSize = errors.New("the size of its pictures is impossible")

// ParseSPS reads a sequence parameter set.
func (c NAL) ParseSPS(unit []byte) (v Video, err error) {
	err = guarded(c.String()+" sequence parameter set", func() error {
		if c == AVC {
			v, err = parseAVC(unit)
		} else {
			v, err = parseHEVC(unit)
		}
		return err
	})
	if err != nil {
		return Video{}, err
	}
	return v, nil
}

func parseAVC(unit []byte) (Video, error) {
	var sps h264.SPS
	if err := sps.Unmarshal(unit); err != nil {
		return Video{}, err
	}
	if sps.PicWidthInMbsMinus1 >= maxSide/16 || sps.PicHeightInMapUnitsMinus1 >= maxSide/16 {
		return Video{}, errSize
	}
	v := Video{
		Profile:   hex.EncodeToString(unit[1:4]),
		Size:      avcSize(&sps),
		Reorder:   avcReorder(&sps),
		Interlace: !sps.FrameMbsOnlyFlag,
	}
	if !possible(v.Size) {
		return Video{}, errSize
	}
	if vui := sps.VUI; vui != nil {
		wide, high := pixelAspect(vui.AspectRatioIdc, vui.SarWidth, vui.SarHeight)
		v.Aspect = aspect(v.Size, wide, high)
		if t := vui.TimingInfo; t != nil {
			v.Framerate = framerate(float64(t.TimeScale), 2*float64(t.NumUnitsInTick))
		}
	}
	return v, nil
}

// avcSize is the size of the pictures as they are to be shown. The parser does
// not crop those without colour, or with its planes apart (H.264, section
// 7.4.2.1.1).
func avcSize(sps *h264.SPS) media.Size {
	size := media.Size{Width: sps.Width(), Height: sps.Height()}
	crop := sps.FrameCropping
	if crop == nil || sps.ChromaFormatIdc != 0 && !sps.SeparateColourPlaneFlag {
		return size
	}
	size.Width = (int(sps.PicWidthInMbsMinus1)+1)*16 - int(crop.LeftOffset) - int(crop.RightOffset)
	fields := 2
	if sps.FrameMbsOnlyFlag {
		fields = 1
	}
	size.Height = fields * ((int(sps.PicHeightInMapUnitsMinus1)+1)*16 - int(crop.TopOffset) - int(crop.BottomOffset))
	return size
}

func possible(s media.Size) bool {
	return s.Width > 0 && s.Height > 0 && s.Width <= maxSide && s.Height <= 2*maxSide
}

// avcReorder is max_num_reorder_frames, or what is inferred where it is not
// told (H.264, section E.2.1).
func avcReorder(sps *h264.SPS) int {
	const mostFrames, baseline, pocInOrder = 16, 66, 2
	if sps.ProfileIdc == baseline || sps.PicOrderCntType == pocInOrder {
		return 0
	}
	if sps.VUI != nil && sps.VUI.BitstreamRestriction != nil {
		return int(min(sps.VUI.BitstreamRestriction.MaxNumReorderFrames, mostFrames))
	}
	switch sps.ProfileIdc {
	case 44, 86, 100, 110, 122, 244:
		if sps.ConstraintSet3Flag { // all intra
			return 0
		}
	}
	fields := uint32(2)
	if sps.FrameMbsOnlyFlag {
		fields = 1
	}
	picture := (sps.PicWidthInMbsMinus1 + 1) * (sps.PicHeightInMapUnitsMinus1 + 1) * fields
	return int(min(avcBuffer(sps)/picture, mostFrames))
}

// avcBuffer is MaxDpbMbs of the level (H.264, table A-1).
func avcBuffer(sps *h264.SPS) uint32 {
	switch level := sps.LevelIdc; {
	case level <= 10, level == 11 && sps.ConstraintSet3Flag:
		return 396
	case level <= 11:
		return 900
	case level <= 20:
		return 2376
	case level <= 21:
		return 4752
	case level <= 30:
		return 8100
	case level <= 31:
		return 18000
	case level <= 32:
		return 20480
	case level <= 41:
		return 32768
	case level <= 42:
		return 34816
	case level <= 50:
		return 110400
	case level <= 52:
		return 184320
	}
	return 696320
}

func parseHEVC(unit []byte) (Video, error) {
	var sps h265.SPS
	err := sps.Unmarshal(unit)
	// What is wanted first comes first: the parser does not know all of what
	// may follow.
	if err != nil && (sps.PicHeightInLumaSamples == 0 || len(sps.MaxNumReorderPics) == 0) {
		return Video{}, err
	}
	if sps.PicWidthInLumaSamples > maxSide || sps.PicHeightInLumaSamples > maxSide {
		return Video{}, errSize
	}
	tier, err := hevcProfile(unit)
	if err != nil {
		return Video{}, err
	}
	v := Video{Profile: tier.string(), Size: media.Size{Width: sps.Width(), Height: sps.Height()}}
	if !possible(v.Size) {
		return Video{}, errSize
	}
	if n := len(sps.MaxNumReorderPics); n > 0 {
		v.Reorder = int(min(sps.MaxNumReorderPics[n-1], 16))
	}
	if vui := sps.VUI; vui != nil {
		wide, high := pixelAspect(vui.AspectRatioIdc, vui.SarWidth, vui.SarHeight)
		v.Aspect = aspect(v.Size, wide, high)
		if t := vui.TimingInfo; t != nil {
			v.Framerate = framerate(float64(t.TimeScale), float64(t.NumUnitsInTick))
		}
	}
	return v, nil
}

// hevcTier is profile_tier_level of H.265 (section 7.3.3) as it lies in hvcC.
type hevcTier [12]byte

// hevcProfile reads the profile, tier and level of an SPS.
func hevcProfile(sps []byte) (t hevcTier, err error) {
	const before = 3 // header and the byte of sps_video_parameter_set_id
	var head [before + len(t)]byte
	if got := unescape(head[:0], sps, len(head)); len(got) < len(head) {
		return t, errShort
	}
	return hevcTier(head[before:]), nil
}

// string is the codec string without its sample entry (ISO/IEC 14496-15, annex
// E.3): "1.6.L93.B0".
func (t hevcTier) string() string {
	s := ""
	if space := t[0] >> 6; space > 0 {
		s = string(rune('A' + space - 1))
	}
	compatibility := uint32(t[1])<<24 | uint32(t[2])<<16 | uint32(t[3])<<8 | uint32(t[4])
	s += strconv.Itoa(int(t[0]&0x1f)) + "." + strconv.FormatUint(uint64(bits.Reverse32(compatibility)), 16)
	if t[0]&0x20 != 0 {
		s += ".H"
	} else {
		s += ".L"
	}
	s += strconv.Itoa(int(t[11]))
	constraints := t[5:11]
	for len(constraints) > 0 && constraints[len(constraints)-1] == 0 {
		constraints = constraints[:len(constraints)-1]
	}
	for _, c := range constraints {
		s += fmt.Sprintf(".%X", c)
	}
	return s
}
