package codec

import (
	"bytes"
	"encoding/hex"
	"errors"
	"slices"
	"testing"
)

func unhex(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(s)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestAnnexB(t *testing.T) {
	for _, test := range []struct{ name, stream, units string }{
		{"start codes of three and four bytes", "0000016742 00000001 6888 000001 65b8", "6742 6888 65b8"},
		{"zeros after each unit", "000001 6742 000000 000001 65b8 000000", "6742 65b8"},
		{"zeros and other bytes before the first", "ff0000 0000000001 6742", "6742"},
		{"an empty unit", "000001 000001 65b8 000001", "65b8"},
		{"a unit of zeros", "000001 0000 000001 65", "65"},
		{"a start code alone", "000001", ""},
		{"none", "0000", ""},
		{"nothing", "", ""},
		{"escaped zeros stay", "000001 65000003 000001 41", "65000003 41"},
	} {
		t.Run(test.name, func(t *testing.T) {
			stream := unhex(t, string(bytes.ReplaceAll([]byte(test.stream), []byte(" "), nil)))
			var got []string
			for unit := range AnnexB(stream) {
				got = append(got, hex.EncodeToString(unit))
			}
			want := []string{}
			for _, unit := range bytes.Fields([]byte(test.units)) {
				want = append(want, string(unit))
			}
			if !slices.Equal(got, want) {
				t.Errorf("units %q, want %q", got, want)
			}
		})
	}
}

func TestLengthPrefixed(t *testing.T) {
	stream := unhex(t, "00000001674200000001688800000165b8")
	sample := AppendLengthPrefixed([]byte("head"), stream)
	if got := hex.EncodeToString(sample[4:]); got != "0000000267420000000268880000000265b8" {
		t.Errorf("sample %s", got)
	}
	back, err := AppendAnnexB(nil, sample[4:], 4)
	if err != nil || hex.EncodeToString(back) != "0000000167420000000168880000000165b8" {
		t.Errorf("back %x: %v", back, err)
	}
	for size, sample := range map[int]string{1: "0265b8", 2: "000265b8", 3: "00000265b8"} {
		got, err := AppendAnnexB(nil, unhex(t, sample), size)
		if err != nil || hex.EncodeToString(got) != "0000000165b8" {
			t.Errorf("lengths of %d: %x, %v", size, got, err)
		}
	}
	for _, bad := range []string{"00", "00000003aabb", "ffffffff00", "0000000165000000"} {
		if _, err := AppendAnnexB(nil, unhex(t, bad), 4); !errors.Is(err, ErrLength) {
			t.Errorf("%s: %v", bad, err)
		}
	}
	if _, err := AppendAnnexB(nil, []byte{0}, 0); !errors.Is(err, ErrLength) {
		t.Errorf("lengths of 0 bytes: %v", err)
	}
}

// Each unit of a stream of AVC, and what it is.
func TestUnitsOfAVC(t *testing.T) {
	for unit, want := range map[string][7]bool{
		//             slice key first leads set  aud  recovery
		"65b804":         {true, true, true, false, false, false, false},
		"41e0":           {true, false, true, false, false, false, false},
		"0140":           {true, false, false, false, false, false, false},
		"6742c00b":       {false, false, false, true, true, false, false},
		"68ce":           {false, false, false, true, true, false, false},
		"09f0":           {false, false, false, true, false, true, false},
		"0606018480":     {false, false, false, true, false, false, true},
		"06010188060180": {false, false, false, true, false, false, true},
		"0605010080":     {false, false, false, true, false, false, false},
		"0605ff00":       {false, false, false, true, false, false, false},
		"0cff80":         {},
	} {
		b := unhex(t, unit)
		got := [7]bool{AVC.Slice(b), AVC.Key(b), AVC.FirstSlice(b), AVC.Leads(b), AVC.ParameterSet(b), AVC.Delimiter(b), AVC.RecoveryPoint(b)}
		if got != want {
			t.Errorf("%s: %v, want %v", unit, got, want)
		}
	}
	for _, c := range []NAL{AVC, HEVC} {
		if c.Slice(nil) || c.Key(nil) || c.Leads(nil) || c.ParameterSet(nil) || c.RecoveryPoint(nil) || c.Slice([]byte{0}) && c == HEVC {
			t.Errorf("%v: an empty unit is something", c)
		}
	}
}

func TestUnitsOfHEVC(t *testing.T) {
	for unit, want := range map[string][6]bool{
		//         slice key first leads set  aud
		"2601af": {true, true, true, false, false, false},   // IDR
		"2a01af": {true, true, true, false, false, false},   // CRA
		"02012f": {true, false, false, false, false, false}, // a later slice
		"4001":   {false, false, false, true, true, false},  // VPS
		"4201":   {false, false, false, true, true, false},
		"4401":   {false, false, false, true, true, false},
		"4601":   {false, false, false, true, false, true},
		"4e0180": {false, false, false, true, false, false},
		"5001":   {}, // a suffix
	} {
		b := unhex(t, unit)
		got := [6]bool{HEVC.Slice(b), HEVC.Key(b), HEVC.FirstSlice(b), HEVC.Leads(b), HEVC.ParameterSet(b), HEVC.Delimiter(b)}
		if got != want {
			t.Errorf("%s: %v, want %v", unit, got, want)
		}
	}
}

func TestUnitsAreNotAllocated(t *testing.T) {
	stream := unhex(t, "000000016742000000016888000001"+"65b8000141000001"+"06060184")
	dst := make([]byte, 0, 256)
	n := testing.AllocsPerRun(100, func() {
		if !AVC.KeyFrame(stream) {
			t.Fatal("no key frame")
		}
		dst = AVC.AppendSample(dst[:0], stream)
		if _, err := AppendAnnexB(dst[len(dst):], dst, 4); err != nil {
			t.Fatal(err)
		}
	})
	if n != 0 {
		t.Errorf("%v allocations", n)
	}
}
