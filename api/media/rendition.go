package media

import (
	"encoding/json"
	"fmt"
	"time"
)

// A Size is a width and a height, or an aspect ratio; the zero value is not
// known.
type Size struct {
	Width, Height int // in the unit of what it is the size of
}

// A VideoRendition is one track of pictures, as a catalog describes it
// (draft-lcurley-moq-hang, "Video"). All but Codec may be the zero value.
type VideoRendition struct {
	// Codec is the string of RFC 6381 and of WebCodecs: "avc1.64001f",
	// "vp09.00.10.08", "av01.0.04M.08".
	Codec string

	// Container says how a frame of the track holds its packet.
	Container Container

	// Description is the decoder's configuration: the content of an avcC or
	// hvcC box. nil: the codec has none, or it is in the frames (Annex B).
	Description []byte

	CodedSize     Size          // of the picture as it is coded, in pixels
	DisplayAspect Size          // the aspect of the picture as it is shown; zero: of CodedSize
	Framerate     float64       // frames a second
	Bitrate       uint64        // bits a second, at most
	Jitter        time.Duration // the longest that a frame waits between being ready and being sent
	Delay         time.Duration // how far it is behind the earliest rendition
	Label         string        // what a person calls it
	Stalled       bool          // it is to be avoided for now

	// Broadcast is the relative path of the broadcast that has the track; ""
	// is the catalog's own.
	Broadcast string

	// Extra has the keys that are none of the above, as they were read.
	Extra map[string]json.RawMessage
}

// An AudioRendition is one track of sound, as a catalog describes it
// (draft-lcurley-moq-hang, "Audio"). Codec, SampleRate and Channels are always
// there.
type AudioRendition struct {
	// Codec is the string of RFC 6381 and of WebCodecs: "mp4a.40.2", "opus".
	Codec string

	// Container says how a frame of the track holds its packet.
	Container Container

	// Description is the decoder's configuration: AudioSpecificConfig,
	// OpusHead, or "fLaC" with its STREAMINFO. nil: the codec has none.
	Description []byte

	SampleRate int           // samples a second
	Channels   int           // how many
	Bitrate    uint64        // bits a second, at most
	Jitter     time.Duration // the longest that a frame waits between being ready and being sent
	Delay      time.Duration // how far it is behind the earliest rendition
	Label      string        // what a person calls it

	// Broadcast is the relative path of the broadcast that has the track; ""
	// is the catalog's own.
	Broadcast string

	// Extra has the keys that are none of the above, as they were read.
	Extra map[string]json.RawMessage
}

// A ContainerKind is one of the ways in which a frame holds a packet.
type ContainerKind uint8

const (
	// Legacy is a varint of the timestamp in microseconds, then the payload:
	// [ParseLegacy].
	Legacy ContainerKind = iota

	// CMAF is one fragment of MP4, moof and mdat, of one track.
	CMAF

	// LOC is properties, then the payload (draft-ietf-moq-loc): [ParseLOC].
	LOC
)

// String returns the name of the kind, as catalogs have it.
func (k ContainerKind) String() string {
	switch k {
	case Legacy:
		return "legacy"
	case CMAF:
		return "cmaf"
	case LOC:
		return "loc"
	}
	return fmt.Sprintf("ContainerKind(%d)", uint8(k))
}

// containerKind returns the kind of a container by its name.
func containerKind(name string) (ContainerKind, bool) {
	switch name {
	case "legacy":
		return Legacy, true
	case "cmaf":
		return CMAF, true
	case "loc":
		return LOC, true
	}
	return 0, false
}

// A Container says how the frames of a rendition hold its packets.
type Container struct {
	// Kind is the way. The zero value is Legacy.
	Kind ContainerKind

	// Init is the initialization segment of CMAF, ftyp and moov of that one
	// track; nil of the others.
	Init []byte

	// Raw is the container as it was read, with what is not known of it.
	Raw json.RawMessage
}
