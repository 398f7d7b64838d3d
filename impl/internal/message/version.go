package message

import (
	"io"
	"slices"
)

// A Version is one row of the table of versions. Use [Lite03] to [Lite06]; the zero value
// is not a version.
type Version struct {
	// Name is the protocol name that is negotiated on every transport, such as
	// "moq-lite-06".
	Name string

	// Setup: each end sends SETUP on a unidirectional Setup stream.
	Setup bool

	// Cost: announcements and SETUP have costs.
	Cost bool

	// AnnounceOK: ANNOUNCE_OK comes before announcements.
	AnnounceOK bool

	// AnnounceIDs: announcements are ANNOUNCE_START, ANNOUNCE_END and
	// ANNOUNCE_UPDATE, with ids. Otherwise they are ANNOUNCE.
	AnnounceIDs bool

	// AnnounceReplaces: a second active ANNOUNCE for the same path replaces the
	// first. Otherwise active and ended alternate.
	AnnounceReplaces bool

	// ExcludeHop: ANNOUNCE_REQUEST has a hop whose routes are not wanted.
	ExcludeHop bool

	// HopIDs: announcements list the ids of the hops. Otherwise they have only the
	// number of hops.
	HopIDs bool

	// SenderInHops: the sender of an announcement is the last of its hops, or
	// included in their number. Otherwise the receiver appends the hop of
	// ANNOUNCE_OK.
	SenderInHops bool

	// ImplicitOK: the responses to SUBSCRIBE are SUBSCRIBE_START, SUBSCRIBE_END and
	// SUBSCRIBE_DROP. Otherwise they are SUBSCRIBE_OK, which is required, and
	// SUBSCRIBE_DROP.
	ImplicitOK bool

	// StartFloor: the start group of a subscription is a lower bound, 0 for none.
	// Otherwise it is a group's number, or stands for the latest group.
	StartFloor bool

	// FrameBounds: SUBSCRIBE and FETCH have frame bounds, and a GROUP may begin with
	// a frame other than the group's first.
	FrameBounds bool

	// Track: TRACK and TRACK_INFO exist.
	Track bool

	// Timestamps: frames have timestamps.
	Timestamps bool

	// Datagrams: a group of one frame may be sent as a datagram.
	Datagrams bool

	// Fetch: publishers serve FETCH.
	Fetch bool

	// GoAway: GOAWAY exists.
	GoAway bool

	// ProbeRTT: PROBE has a round-trip time beside the bitrate.
	ProbeRTT bool

	ordered   bool           // an unused Ordered byte follows each priority
	responses []ResponseKind // by Type
	varint    varintCodec
}

// The versions.
var (
	Lite03 = &Version{
		Name:         "moq-lite-03",
		SenderInHops: true,
		ordered:      true,
		responses:    []ResponseKind{ResponseOK, ResponseDrop},
		varint:       quicVarint{},
	}

	Lite04 = &Version{
		Name:         "moq-lite-04",
		ExcludeHop:   true,
		HopIDs:       true,
		SenderInHops: true,
		GoAway:       true,
		ProbeRTT:     true,
		ordered:      true,
		responses:    []ResponseKind{ResponseOK, ResponseDrop},
		varint:       quicVarint{},
	}

	Lite05 = &Version{
		Name:             "moq-lite-05",
		Setup:            true,
		AnnounceOK:       true,
		AnnounceReplaces: true,
		ExcludeHop:       true,
		HopIDs:           true,
		ImplicitOK:       true,
		Track:            true,
		Timestamps:       true,
		Datagrams:        true,
		Fetch:            true,
		GoAway:           true,
		ProbeRTT:         true,
		ordered:          true,
		responses:        []ResponseKind{ResponseStart, ResponseEnd, ResponseDrop},
		varint:           quicVarint{},
	}

	Lite06 = &Version{
		Name:        "moq-lite-06",
		Setup:       true,
		Cost:        true,
		AnnounceOK:  true,
		AnnounceIDs: true,
		HopIDs:      true,
		ImplicitOK:  true,
		StartFloor:  true,
		FrameBounds: true,
		Track:       true,
		Timestamps:  true,
		Datagrams:   true,
		Fetch:       true,
		GoAway:      true,
		ProbeRTT:    true,
		responses:   []ResponseKind{ResponseStart, ResponseEnd, ResponseDrop},
		varint:      quicVarint{},
	}
)

var versions = []*Version{Lite06, Lite05, Lite04, Lite03}

// Versions returns all versions, newest first. The caller owns the slice.
func Versions() []*Version { return slices.Clone(versions) }

// VersionByName returns the version of a negotiated name, nil when unknown.
func VersionByName(name string) *Version {
	for _, v := range versions {
		if v.Name == name {
			return v
		}
	}
	return nil
}

// String returns the version's name.
func (v *Version) String() string { return v.Name }

// AppendVarint appends x, or [MaxVarint] if x is above it.
func (v *Version) AppendVarint(b []byte, x uint64) []byte {
	x = min(x, MaxVarint)
	if _, usual := v.varint.(quicVarint); usual { // saves a dynamic call
		return quicVarint{}.append(b, x)
	}
	return v.varint.append(b, x)
}

// VarintLen returns how many bytes AppendVarint adds for x.
func (v *Version) VarintLen(x uint64) int {
	return v.varint.length(min(x, MaxVarint))
}

// ParseVarint decodes the number at the beginning of b, and returns it and its length. It
// accepts encodings that are longer than necessary. The error is io.ErrUnexpectedEOF if b
// is empty or ends within the number.
func (v *Version) ParseVarint(b []byte) (x uint64, n int, err error) {
	if _, usual := v.varint.(quicVarint); usual {
		return quicVarint{}.parse(b)
	}
	return v.varint.parse(b)
}

// ReadVarint reads a number. The error is io.EOF if r ends before the number,
// io.ErrUnexpectedEOF if it ends within, and otherwise r's own.
func (v *Version) ReadVarint(r io.ByteReader) (uint64, error) {
	return v.varint.read(r)
}
