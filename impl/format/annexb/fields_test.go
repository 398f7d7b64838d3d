package annexb_test

import (
	"bytes"
	"fmt"
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

// Main profile, level 3.0: frame numbers and counts of 4 bits, 80 by 64, fields.
var (
	sps = bitString(0x67, "01001101 00000000 00011110 1 1 1 1 010 0 00101 010 0 0 1 0 0")
	pps = bitString(0x68, "1 1 0 0")
)

// Slices tell the lower bits of their counts alone.
func TestCountsWrap(t *testing.T) {
	counts := []int{0}
	for i := 4; i < 60; i += 4 {
		counts = append(counts, i, i-2) // each second one comes late
	}
	stream := codec.AppendUnit(codec.AppendUnit(nil, sps), pps)
	for i, count := range counts {
		header, idr := byte(0x61), ""
		switch {
		case i == 0:
			header, idr = 0x65, "1"
		case i%2 == 0:
			header = 0x01
		}
		stream = codec.AppendUnit(stream, bitString(header, fmt.Sprintf("1 00110 1 %04b 0 %s %04b 10101010", i%16, idr, count%16)))
	}
	for i, p := range readAll(t, open(t, bytes.NewReader(stream))) {
		if want := time.Duration(counts[i]/2) * 40 * time.Millisecond; p.PTS != want {
			t.Errorf("packet %d: shown at %v, want %v", i, p.PTS, want)
		}
	}
}

// The two fields of a frame are one packet.
func TestFields(t *testing.T) {
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
