package message

// AnnounceRequest opens an Announce stream (type 1): the subscriber asks what is
// published at and below a prefix.
type AnnounceRequest struct {
	Prefix string

	// ExcludeHop is a hop whose routes are not wanted, 0 for none. Only where
	// [Version.ExcludeHop].
	ExcludeHop uint64
}

// Append appends Len and the body.
func (m *AnnounceRequest) Append(v *Version, b []byte) []byte {
	e := appendTo(v, b)
	m.encode(&e)
	return e.finish()
}

// Length returns how many bytes Append adds.
func (m *AnnounceRequest) Length(v *Version) int {
	e := measure(v)
	m.encode(&e)
	return e.length()
}

// Validate says what keeps m from being sent, or nil.
func (m *AnnounceRequest) Validate(v *Version) error {
	e := check(v, "ANNOUNCE_REQUEST")
	m.encode(&e)
	return e.verdict()
}

func (m *AnnounceRequest) encode(e *encoder) {
	e.path("prefix", m.Prefix)
	if e.v.ExcludeHop {
		e.varint("exclude hop", m.ExcludeHop)
	}
}

// Parse sets m from the body.
func (m *AnnounceRequest) Parse(v *Version, body []byte) error {
	d := decode(v, "ANNOUNCE_REQUEST", body)
	*m = AnnounceRequest{Prefix: d.path("prefix")}
	if v.ExcludeHop {
		m.ExcludeHop = d.varint("exclude hop")
	}
	return d.finish()
}
