package mpegts

import "fmt"

// A kind is what an elementary stream has.
type kind uint8

const (
	unknown kind = iota
	avc
	hevc
	adts
	latm
	mpegAudio
	ac3
	opus
)

func (k kind) video() bool { return k == avc || k == hevc }

// streamTypes are those of ISO/IEC 13818-1, table 2-34, and of ATSC A/53.
var streamTypes = map[byte]struct {
	kind kind
	name string
}{
	0x1b: {avc, "H.264"},
	0x24: {hevc, "H.265"},
	0x0f: {adts, "AAC"},
	0x11: {latm, "AAC in LATM"},
	0x03: {mpegAudio, "MPEG audio"},
	0x04: {mpegAudio, "MPEG audio"},
	0x81: {ac3, "AC-3"},
	0x87: {ac3, "E-AC-3"},
	0x01: {unknown, "MPEG-1 video"},
	0x02: {unknown, "MPEG-2 video"},
	0x10: {unknown, "MPEG-4 video"},
	0x33: {unknown, "H.266"},
	0x15: {unknown, "metadata"},
	0x86: {unknown, "SCTE-35"},
}

// Descriptors of ISO/IEC 13818-1, section 2.6, and ETSI EN 300 468.
const (
	descriptorRegistration = 0x05
	descriptorAC3          = 0x6a
	descriptorEAC3         = 0x7a
	descriptorExtension    = 0x7f
	descriptorSubtitle     = 0x59
	descriptorTeletext     = 0x56
	extensionOpus          = 0x80
)

// classify sets what the stream is, by its type and its descriptors.
func (e *entry) classify(streamType byte, descriptors []byte) {
	known := streamTypes[streamType]
	e.kind, e.name = known.kind, known.name
	const private = 0x06
	for len(descriptors) >= 2 && streamType == private {
		tag, n := descriptors[0], int(descriptors[1])
		if descriptors = descriptors[2:]; n > len(descriptors) {
			break
		}
		e.read(tag, descriptors[:n])
		descriptors = descriptors[n:]
	}
	if e.name == "" {
		e.name = fmt.Sprintf("stream type 0x%02x", streamType)
	}
}

// read looks at one descriptor of a private stream.
func (e *entry) read(tag byte, b []byte) {
	switch {
	case tag == descriptorAC3, tag == descriptorRegistration && string(b) == "AC-3":
		e.kind, e.name = ac3, "AC-3"
	case tag == descriptorEAC3, tag == descriptorRegistration && string(b) == "EAC3":
		e.kind, e.name = ac3, "E-AC-3"
	case tag == descriptorRegistration && string(b) == "HEVC":
		e.kind, e.name = hevc, "H.265"
	case tag == descriptorRegistration && string(b) == "Opus":
		e.kind, e.name = opus, "Opus"
		if e.channels == 0 {
			e.channels = 2
		}
	case tag == descriptorExtension && len(b) >= 2 && b[0] == extensionOpus:
		if n := int(b[1]); n >= 1 && n <= 8 {
			e.channels = n
		} else {
			e.channels = 2
		}
	case tag == descriptorSubtitle:
		e.name = "DVB subtitles"
	case tag == descriptorTeletext:
		e.name = "teletext"
	}
}
