package message

// AnnounceEnd tells that a broadcast is published no more, and retires its id.
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

// Validate says what keeps m from being sent, or nil.
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
