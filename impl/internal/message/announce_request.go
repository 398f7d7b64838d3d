package message

// AnnounceRequest is ANNOUNCE_REQUEST of moq-lite-06, which opens an Announce stream
// (type 1): the subscriber asks for the broadcasts at and below a prefix. moq-lite-03 and
// 04 have it under other names.
type AnnounceRequest struct {
	Prefix string

	// ExcludeHop is the id of a hop: routes through it are not wanted. 0 is none.
	// Only with [Version.ExcludeHop] (moq-lite-04 and 05).
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

// Validate returns an error if m must not be sent.
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
