package h3code

import "testing"

func TestExamples(t *testing.T) {
	for code, h := range map[uint64]uint64{
		0:         0x52e4a40fa8db,
		1:         0x52e4a40fa8dc,
		0x12:      0x52e4a40fa8ed,
		0x33:      0x52e4a40fa90f,
		0x35:      0x52e4a40fa911,
		0x36:      0x52e4a40fa912,
		1<<32 - 1: 0x52e5ac983162,
	} {
		if got := Encode(code); got != h {
			t.Errorf("Encode(%#x) = %#x, want %#x", code, got, h)
		}
		if got, ok := Decode(h); got != code || !ok {
			t.Errorf("Decode(%#x) = %#x, %t, want %#x", h, got, ok, code)
		}
	}
}

func TestRoundTrip(t *testing.T) {
	var codes []uint64
	for c := range uint64(0x201) {
		codes = append(codes, c, 1<<16-0x100+c, 1<<31-0x100+c, 1<<32-1-c)
	}
	for _, c := range codes {
		h := Encode(c)
		if (h-0x21)%0x1f == 0 {
			t.Errorf("Encode(%#x) = %#x, which is reserved", c, h)
		}
		if got, ok := Decode(h); got != c || !ok {
			t.Errorf("Decode(Encode(%#x)) = %#x, %t", c, got, ok)
		}
	}
}

// Codes keep their order, so that no two share a place.
func TestMonotonous(t *testing.T) {
	for c := range uint64(1 << 16) {
		if Encode(c) >= Encode(c+1) {
			t.Fatalf("Encode(%#x) = %#x, Encode(%#x) = %#x", c, Encode(c), c+1, Encode(c+1))
		}
	}
}

func TestTooLarge(t *testing.T) {
	for _, c := range []uint64{1 << 32, 1<<62 - 1, 1<<64 - 1} {
		if got := Encode(c); got != last {
			t.Errorf("Encode(%#x) = %#x, want %#x", c, got, uint64(last))
		}
	}
}

func TestDecodeRefuses(t *testing.T) {
	refused := []uint64{0, 1, 0x33, 0x100, 0x10c, first - 1, last + 1, 1<<62 - 1, 1<<64 - 1}
	for h := uint64(first); h < first+0x400; h++ {
		if (h-0x21)%0x1f == 0 {
			refused = append(refused, h)
		}
	}
	if len(refused) < 30 {
		t.Fatalf("only %d values are tried", len(refused))
	}
	for _, h := range refused {
		if code, ok := Decode(h); ok {
			t.Errorf("Decode(%#x) = %#x, want nothing", h, code)
		}
	}
}

// Every value of the range is either a code's only form or reserved.
func TestDecodeCovers(t *testing.T) {
	next := uint64(0)
	for h := uint64(first); h < first+0x10000; h++ {
		code, ok := Decode(h)
		if !ok {
			continue
		}
		if code != next || Encode(code) != h {
			t.Fatalf("Decode(%#x) = %#x, whose form is %#x; want code %#x", h, code, Encode(code), next)
		}
		next++
	}
}
