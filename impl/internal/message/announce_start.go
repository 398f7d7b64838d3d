package message

// An AnnounceType is the Type in front of an announcement of moq-lite-06. Receivers
// skip announcements of other types.
type AnnounceType uint64

const (
	AnnounceTypeStart  AnnounceType = 0 // [AnnounceStart]
	AnnounceTypeEnd    AnnounceType = 1 // [AnnounceEnd]
	AnnounceTypeUpdate AnnounceType = 2 // [AnnounceUpdate]
)

// AnnounceStart is ANNOUNCE_START of moq-lite-06, on an Announce stream (type 1), with
// Type 0: a broadcast is published. It gets an id that is not sent: the number of
// ANNOUNCE_STARTs before it on the stream.
type AnnounceStart struct {
	Suffix string   // of the path, below the requested prefix
	Hops   []uint64 // the route, originator first, without the sender; 0 for a hop without an id
	Warm   uint64   // cost of subscribing if the sender carries the broadcast already
	Cold   uint64   // cost of subscribing otherwise
}

// Append appends Type, Len and the body.
func (m *AnnounceStart) Append(v *Version, b []byte) []byte {
	e := appendTo(v, v.AppendVarint(b, uint64(AnnounceTypeStart)))
	m.encode(&e)
	return e.finish()
}

// Length returns how many bytes Append adds.
func (m *AnnounceStart) Length(v *Version) int {
	e := measure(v)
	m.encode(&e)
	return v.VarintLen(uint64(AnnounceTypeStart)) + e.length()
}

// Validate returns an error if m must not be sent.
func (m *AnnounceStart) Validate(v *Version) error {
	e := check(v, "ANNOUNCE_START")
	m.encode(&e)
	return e.verdict()
}

func (m *AnnounceStart) encode(e *encoder) {
	e.exists(e.v.AnnounceIDs)
	e.path("suffix", m.Suffix)
	e.hops(m.Hops)
	e.varint("warm cost", m.Warm)
	e.varint("cold cost", m.Cold)
}

// Parse sets m from the body.
func (m *AnnounceStart) Parse(v *Version, body []byte) error {
	d := decode(v, "ANNOUNCE_START", body)
	d.exists(v.AnnounceIDs)
	*m = AnnounceStart{
		Suffix: d.path("suffix"),
		Hops:   d.hops(),
		Warm:   d.varint("warm cost"),
		Cold:   d.varint("cold cost"),
	}
	return d.finish()
}
