package annexb_test

import (
	"bytes"
	"testing"
	"time"

	"github.com/moqlite/moqlite/impl/internal/codec"
)

// bitString makes a NAL unit of bits, with the stop bit behind them.
func bitString(header byte, bits string) []byte {
	unit, n := []byte{header}, 0
	for _, c := range bits + "1" {
		if c == ' ' {
			continue
		}
		if n%8 == 0 {
			unit = append(unit, 0)
		}
		unit[len(unit)-1] |= byte(c-'0') << (7 - n%8)
		n++
	}
	return unit
}

// The two fields of a frame are one packet.
func TestFields(t *testing.T) {
	// Main profile, level 3.0: frame numbers and counts of 4 bits, 80 by 64, fields.
	sps := bitString(0x67, "01001101 00000000 00011110 1 1 1 1 010 0 00101 010 0 0 1 0 0")
	pps := bitString(0x68, "1 1 0 0")
	slice := func(header byte, frame, field, idr, count string) []byte {
		return bitString(header, "1 00110 1 "+frame+" 1 "+field+" "+idr+" "+count+" 10101010")
	}
	var stream []byte
	for _, unit := range [][]byte{
		sps, pps,
		slice(0x65, "0000", "0", "1", "0000"), slice(0x61, "0000", "1", "", "0001"),
		slice(0x61, "0001", "0", "", "0100"), slice(0x61, "0001", "1", "", "0101"),
		slice(0x01, "0010", "0", "", "0010"), slice(0x01, "0010", "1", "", "0011"),
	} {
		stream = codec.AppendUnit(stream, unit)
	}
	packets := readAll(t, open(t, bytes.NewReader(stream)))
	if len(packets) != 3 {
		t.Fatalf("%d packets", len(packets))
	}
	for i, want := range []int{0, 2, 1} {
		p := packets[i]
		slices := 0
		for unit := range codec.AnnexB(p.Payload) {
			if codec.AVC.Slice(unit) {
				slices++
			}
		}
		if p.PTS != time.Duration(want)*40*time.Millisecond || slices != 2 || p.Key != (i == 0) {
			t.Errorf("packet %d: shown at %v, %d fields, key %v", i, p.PTS, slices, p.Key)
		}
	}
}
