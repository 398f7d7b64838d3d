package ingest_test

import (
	"encoding/hex"
	"testing"
)

// h264Description returns one of two descriptions of AVC, of different profiles.
func h264Description(t *testing.T, i int) []byte {
	t.Helper()
	b, err := hex.DecodeString([]string{
		"014d400bffe10018674d400bda0a11f970110000030001000003001e0f142aa001000468ef3c80",
		"01640009ffe1001967640009acd942847e5c0440000003004000000783c489658001000468efbcb0fdf8f800",
	}[i])
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// h264Sets returns the parameter sets of such a description, in the form of
// annex B.
func h264Sets(t *testing.T, i int) (sets []byte) {
	t.Helper()
	b := h264Description(t, i)[6:] // behind the number of sequence parameter sets
	for range 2 {
		n := int(b[1])
		sets = append(append(sets, 0, 0, 0, 1), b[2:2+n]...)
		b = b[2+n:]
		if len(b) > 0 {
			b = b[1:] // the number of picture parameter sets
		}
	}
	return sets
}
