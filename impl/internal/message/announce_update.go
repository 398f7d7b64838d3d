package message

// AnnounceUpdate is ANNOUNCE_UPDATE of moq-lite-06, on an Announce stream (type 1), with
// Type 2: it replaces the route of an announced broadcast.
type AnnounceUpdate struct {
	ID   uint64
	Hops []uint64 // as in [AnnounceStart], like the costs
	Warm uint64
	Cold uint64
}

// Append appends Type, Len and the body.
func (m *AnnounceUpdate) Append(v *Version, b []byte) []byte {
	e := appendTo(v, v.AppendVarint(b, uint64(AnnounceTypeUpdate)))
	m.encode(&e)
	return e.finish()
}

// Length returns how many bytes Append adds.
func (m *AnnounceUpdate) Length(v *Version) int {
	e := measure(v)
	m.encode(&e)
	return v.VarintLen(uint64(AnnounceTypeUpdate)) + e.length()
}

// Validate returns an error if m must not be sent.
func (m *AnnounceUpdate) Validate(v *Version) error {
	e := check(v, "ANNOUNCE_UPDATE")
	m.encode(&e)
	return e.verdict()
}

func (m *AnnounceUpdate) encode(e *encoder) {
	e.exists(e.v.AnnounceIDs)
	e.varint("id", m.ID)
	e.hops(m.Hops)
	e.varint("warm cost", m.Warm)
	e.varint("cold cost", m.Cold)
}

// Parse sets m from the body.
func (m *AnnounceUpdate) Parse(v *Version, body []byte) error {
	d := decode(v, "ANNOUNCE_UPDATE", body)
	d.exists(v.AnnounceIDs)
	*m = AnnounceUpdate{
		ID:   d.varint("id"),
		Hops: d.hops(),
		Warm: d.varint("warm cost"),
		Cold: d.varint("cold cost"),
	}
	return d.finish()
}
