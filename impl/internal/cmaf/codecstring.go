package cmaf

import (
	"fmt"
	"math/bits"
	"strings"

	"github.com/Eyevinn/mp4ff/mp4"
)

// avcCodec returns the codec's string of an avcC record (RFC 6381, section 3.3).
func avcCodec(entry string, record []byte) (string, error) {
	if len(record) < 7 || record[0] != 1 {
		return "", malformed("an avcC of %d bytes", len(record))
	}
	return fmt.Sprintf("%s.%x", entry, record[1:4]), nil
}

// hevcCodec returns the codec's string of an hvcC record (ISO/IEC 14496-15,
// annex E.3).
func hevcCodec(entry string, record []byte) (string, error) {
	if len(record) < 23 || record[0] != 1 {
		return "", malformed("an hvcC of %d bytes", len(record))
	}
	var s strings.Builder
	space, tier, profile := record[1]>>6, record[1]>>5&1, record[1]&0x1f
	compatible := uint32(record[2])<<24 | uint32(record[3])<<16 | uint32(record[4])<<8 | uint32(record[5])
	fmt.Fprintf(&s, "%s.%s%d.%X.%c%d", entry, []string{"", "A", "B", "C"}[space], profile,
		bits.Reverse32(compatible), "LH"[tier], record[12])
	constraints := record[6:12]
	for len(constraints) > 0 && constraints[len(constraints)-1] == 0 {
		constraints = constraints[:len(constraints)-1]
	}
	for _, c := range constraints {
		fmt.Fprintf(&s, ".%X", c)
	}
	return s.String(), nil
}

// vp9Codec returns the codec's string of the body of a vpcC box ("VP Codec ISO
// Media File Format Binding", section "Codecs Parameter String").
func vp9Codec(body []byte) (string, error) {
	c, err := decode[*mp4.VppCBox](Box{[]byte("vpcC"), body}, mp4.DecodeVppCSR)
	if err != nil {
		return "", err
	}
	return fmt.Sprintf("vp09.%02d.%02d.%02d.%02d.%02d.%02d.%02d.%02d", c.Profile, c.Level, c.BitDepth, c.ChromaSubsampling,
		c.ColourPrimaries, c.TransferCharacteristics, c.MatrixCoefficients, c.VideoFullRangeFlag), nil
}

// av1Codec returns the codec's string of an av1C record ("AV1 Codec ISO Media
// File Format Binding", section 5).
func av1Codec(record []byte) (string, error) {
	if len(record) < 4 || record[0] != 0x81 {
		return "", malformed("an av1C of %d bytes", len(record))
	}
	profile, level, tier, depth := record[1]>>5, record[1]&0x1f, record[2]>>7, 8
	if record[2]&0x40 != 0 {
		depth = 10
		if record[2]&0x20 != 0 && profile == 2 {
			depth = 12
		}
	}
	return fmt.Sprintf("av01.%d.%02d%c.%02d", profile, level, "MH"[tier], depth), nil
}
