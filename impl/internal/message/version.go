package message

import (
	"io"
	"slices"
)

// A Version is one row of the table of versions. The zero value is none: use
// [Lite03] to [Lite06].
type Version struct {
	// Name is what is negotiated, on every binding: "moq-lite-06".
	Name string

	// Setup: each end says what it is on a unidirectional Setup stream, with
	// the request's path, role, probe level and hop in it.
	Setup bool

	// Cost: routes and links have costs.
	Cost bool

	// AnnounceOK: ANNOUNCE_OK comes before announcements.
	AnnounceOK bool

	// AnnounceIDs: announcements are START, END and UPDATE; the k-th START of
	// a stream has the id k, which is not sent. Else they are [Announce].
	AnnounceIDs bool

	// AnnounceReplaces: a second active [Announce] of a live path replaces the
	// first. Else active and ended alternate.
	AnnounceReplaces bool

	// ExcludeHop: ANNOUNCE_REQUEST names a hop whose routes are not wanted.
	ExcludeHop bool

	// HopIDs: announcements list the hops. Else they count them.
	HopIDs bool

	// SenderInHops: the sender of an announcement is the last of its hops (or
	// counted). Else the receiver appends the hop of ANNOUNCE_OK.
	SenderInHops bool

	// ImplicitOK: a subscription is answered by START, END and DROP. Else by
	// OK, which is required, and DROP.
	ImplicitOK bool

	// StartFloor: the start of a subscription is a floor, 0 for none. Else it
	// is a group or the latest.
	StartFloor bool

	// FrameBounds: SUBSCRIBE and FETCH have bounds within groups, and a group
	// may begin with a later frame than its first.
	FrameBounds bool

	// Track: TRACK asks for a TRACK_INFO.
	Track bool

	// Timestamps: frames have timestamps.
	Timestamps bool

	// Datagrams: groups of one frame may travel as datagrams.
	Datagrams bool

	// Fetch: FETCH is served.
	Fetch bool

	// GoAway: either end may say that it is about to leave.
	GoAway bool

	// ProbeRTT: PROBE has a round-trip time besides the bitrate.
	ProbeRTT bool

	ordered   bool           // the dead Ordered byte follows each priority
	responses []ResponseKind // by their type on the wire
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
	if _, usual := v.varint.(quicVarint); usual { // and need not be looked up
		return quicVarint{}.append(b, x)
	}
	return v.varint.append(b, x)
}

// VarintLen returns how many bytes AppendVarint adds for x.
func (v *Version) VarintLen(x uint64) int {
	return v.varint.length(min(x, MaxVarint))
}

// ParseVarint returns the number that b begins with, and its length. Forms that
// are longer than need be are accepted. The error is io.ErrUnexpectedEOF when b
// ends within the number or is empty.
func (v *Version) ParseVarint(b []byte) (x uint64, n int, err error) {
	if _, usual := v.varint.(quicVarint); usual {
		return quicVarint{}.parse(b)
	}
	return v.varint.parse(b)
}

// ReadVarint reads a number. The error is io.EOF when r ends before the number,
// io.ErrUnexpectedEOF when it ends within, and else r's own.
func (v *Version) ReadVarint(r io.ByteReader) (uint64, error) {
	return v.varint.read(r)
}
