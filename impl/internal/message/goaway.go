package message

// GoAway is GOAWAY of moq-lite-04 to 06, which opens a Goaway stream (type 5): the sender
// asks its peer to finish and leave the session.
type GoAway struct {
	URI string // where the peer may connect instead; empty for the same URL
}

// Append appends Len and the body.
func (m *GoAway) Append(v *Version, b []byte) []byte {
	e := appendTo(v, b)
	m.encode(&e)
	return e.finish()
}

// Length returns how many bytes Append adds.
func (m *GoAway) Length(v *Version) int {
	e := measure(v)
	m.encode(&e)
	return e.length()
}

// Validate returns an error if m must not be sent.
func (m *GoAway) Validate(v *Version) error {
	e := check(v, "GOAWAY")
	m.encode(&e)
	return e.verdict()
}

func (m *GoAway) encode(e *encoder) {
	e.exists(e.v.GoAway)
	e.must(len(m.URI) <= MaxURI, "URI", "longer than 8192 bytes")
	e.string("URI", m.URI)
}

// Parse sets m from the body.
func (m *GoAway) Parse(v *Version, body []byte) error {
	d := decode(v, "GOAWAY", body)
	d.exists(v.GoAway)
	*m = GoAway{URI: d.string("URI")}
	d.must(len(m.URI) <= MaxURI, "URI", "longer than 8192 bytes")
	return d.finish()
}
