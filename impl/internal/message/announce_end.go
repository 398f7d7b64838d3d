package message

// AnnounceEnd is ANNOUNCE_END of moq-lite-06, on an Announce stream (type 1), with
// Type 1: a broadcast is no longer published. Its id is not used again.
type AnnounceEnd struct {
	ID uint64
}

// Append appends Type, Len and the body.
func (m *AnnounceEnd) Append(v *Version, b []byte) []byte {
	e := appendTo(v, v.AppendVarint(b, uint64(AnnounceTypeEnd)))
	m.encode(&e)
	return e.finish()
}

// Length returns how many bytes Append adds.
func (m *AnnounceEnd) Length(v *Version) int {
	e := measure(v)
	m.encode(&e)
	return v.VarintLen(uint64(AnnounceTypeEnd)) + e.length()
}

// Validate returns an error if m must not be sent.
func (m *AnnounceEnd) Validate(v *Version) error {
	e := check(v, "ANNOUNCE_END")
	m.encode(&e)
	return e.verdict()
}

func (m *AnnounceEnd) encode(e *encoder) {
	e.exists(e.v.AnnounceIDs)
	e.varint("id", m.ID)
}

// Parse sets m from the body.
func (m *AnnounceEnd) Parse(v *Version, body []byte) error {
	d := decode(v, "ANNOUNCE_END", body)
	d.exists(v.AnnounceIDs)
	*m = AnnounceEnd{ID: d.varint("id")}
	return d.finish()
}
