package codec

// A NAL is one of the two codecs that are made of NAL units.
type NAL uint8

const (
	AVC  NAL = iota // H.264
	HEVC            // H.265
)

// String returns the codec's usual name.
func (c NAL) String() string {
	if c == AVC {
		return "H.264"
	}
	return "H.265"
}

// Types of NAL units: H.264, table 7-1, and H.265, table 7-1.
const (
	avcSlice, avcIDR, avcSEI              = 1, 5, 6
	avcSPS, avcPPS, avcDelimiter          = 7, 8, 9
	avcFiller, avcPrefix, avcReserved     = 12, 14, 18
	hevcOrphan, hevcOrphanRef             = 8, 9   // RASL
	hevcLeast, hevcMost                   = 16, 23 // of pictures at which decoding can begin
	hevcNotSlice                          = 32
	hevcVPS, hevcSPS, hevcPPS             = 32, 33, 34
	hevcDelimiter, hevcFiller, hevcSEI    = 35, 38, 39
	hevcReservedBefore, hevcReservedAfter = 41, 44
	hevcOwnBefore, hevcOwnAfter           = 48, 55
)

// kind is the type of a unit; -1: it is empty, or its header is not whole.
func (c NAL) kind(unit []byte) int {
	switch {
	case c == AVC && len(unit) > 0:
		return int(unit[0] & 0x1f)
	case c == HEVC && len(unit) > 1:
		return int(unit[0] >> 1 & 0x3f)
	}
	return -1
}

// Slice reports whether the unit is part of a coded picture.
func (c NAL) Slice(unit []byte) bool {
	kind := c.kind(unit)
	if c == AVC {
		return kind >= avcSlice && kind <= avcIDR
	}
	return kind >= 0 && kind < hevcNotSlice
}

// Key reports whether the unit is part of a picture at which decoding can
// begin: an IDR picture, and with HEVC also a BLA or CRA picture. Decoders of
// browsers begin at no other picture of AVC.
func (c NAL) Key(unit []byte) bool {
	kind := c.kind(unit)
	if c == AVC {
		return kind == avcIDR
	}
	return kind >= hevcLeast && kind <= hevcMost
}

// orphan reports whether the unit is part of a picture that refers to what is
// before the key frame that it follows, and is shown before it: RASL of HEVC.
func (c NAL) orphan(unit []byte) bool {
	kind := c.kind(unit)
	return c == HEVC && (kind == hevcOrphan || kind == hevcOrphanRef)
}

// KeyFrame reports whether decoding can begin at an access unit in the form of
// annex B.
func (c NAL) KeyFrame(annexB []byte) bool {
	for unit := range AnnexB(annexB) {
		if c.Slice(unit) {
			return c.Key(unit)
		}
	}
	return false
}

// FirstSlice reports whether the unit is the first slice of a picture.
func (c NAL) FirstSlice(unit []byte) bool {
	if c == AVC {
		return c.Slice(unit) && len(unit) > 1 && unit[1]&0x80 != 0 // first_mb_in_slice is 0
	}
	return c.Slice(unit) && len(unit) > 2 && unit[2]&0x80 != 0
}

// Leads reports whether the unit is no slice and begins a new access unit where
// one has come before it (H.264, section 7.4.1.2.3; H.265, section 7.4.2.4.4).
func (c NAL) Leads(unit []byte) bool {
	kind := c.kind(unit)
	if c == AVC {
		return kind >= avcSEI && kind <= avcDelimiter || kind >= avcPrefix && kind <= avcReserved
	}
	return kind >= hevcVPS && kind <= hevcDelimiter || kind == hevcSEI ||
		kind >= hevcReservedBefore && kind <= hevcReservedAfter ||
		kind >= hevcOwnBefore && kind <= hevcOwnAfter
}

// SPS reports whether the unit is a sequence parameter set.
func (c NAL) SPS(unit []byte) bool {
	if c == AVC {
		return c.kind(unit) == avcSPS
	}
	return c.kind(unit) == hevcSPS
}

// PPS reports whether the unit is a picture parameter set.
func (c NAL) PPS(unit []byte) bool {
	if c == AVC {
		return c.kind(unit) == avcPPS
	}
	return c.kind(unit) == hevcPPS
}

// ParameterSet reports whether the unit is a parameter set of any kind.
func (c NAL) ParameterSet(unit []byte) bool {
	return c.SPS(unit) || c.PPS(unit) || c == HEVC && c.kind(unit) == hevcVPS
}

// Delimiter reports whether the unit is an access unit delimiter.
func (c NAL) Delimiter(unit []byte) bool {
	if c == AVC {
		return c.kind(unit) == avcDelimiter
	}
	return c.kind(unit) == hevcDelimiter
}

// Filler reports whether the unit is filler data.
func (c NAL) Filler(unit []byte) bool {
	if c == AVC {
		return c.kind(unit) == avcFiller
	}
	return c.kind(unit) == hevcFiller
}

// RecoveryPoint reports whether the unit tells of a recovery point: a picture
// from which a decoder that begins there shows good pictures after a while. A
// stream of AVC without IDR pictures has no better place to begin at.
func (c NAL) RecoveryPoint(unit []byte) bool {
	kind, header := c.kind(unit), 1
	if c == HEVC {
		header = 2
	}
	if c == AVC && kind != avcSEI || c == HEVC && kind != hevcSEI {
		return false
	}
	const recoveryPoint = 6
	for b := unit[header:]; len(b) > 2; { // the last byte is the stop bit
		var kind, size int
		kind, b = seiNumber(b)
		size, b = seiNumber(b)
		if kind == recoveryPoint {
			return true
		}
		if size > len(b) {
			return false
		}
		b = b[size:]
	}
	return false
}

// seiNumber reads a number of which each byte 0xff adds 255.
func seiNumber(b []byte) (n int, rest []byte) {
	for len(b) > 0 {
		c := b[0]
		n, b = n+int(c), b[1:]
		if c != 0xff {
			break
		}
	}
	return n, b
}
