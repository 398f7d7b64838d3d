package message

// Subscribe is SUBSCRIBE of moq-lite-03 to 06, which opens a Subscribe stream (type 2).
type Subscribe struct {
	ID    uint64 // chosen by the subscriber, unique within the session
	Path  string // of the broadcast
	Track string
	SubscribeParams
}

// Append appends Len and the body.
func (m *Subscribe) Append(v *Version, b []byte) []byte {
	e := appendTo(v, b)
	m.encode(&e)
	return e.finish()
}

// Length returns how many bytes Append adds.
func (m *Subscribe) Length(v *Version) int {
	e := measure(v)
	m.encode(&e)
	return e.length()
}

// Validate returns an error if m must not be sent.
func (m *Subscribe) Validate(v *Version) error {
	e := check(v, "SUBSCRIBE")
	m.encode(&e)
	return e.verdict()
}

func (m *Subscribe) encode(e *encoder) {
	e.varint("id", m.ID)
	e.path("path", m.Path)
	e.string("track", m.Track)
	m.SubscribeParams.encode(e)
}

// Parse sets m from the body.
func (m *Subscribe) Parse(v *Version, body []byte) error {
	d := decode(v, "SUBSCRIBE", body)
	*m = Subscribe{ID: d.varint("id"), Path: d.path("path"), Track: d.string("track")}
	m.SubscribeParams.decode(&d)
	return d.finish()
}
