package message

// Track is TRACK of moq-lite-05 and 06, which opens a Track stream (type 6): the subscriber
// asks for the [TrackInfo].
type Track struct {
	Path string // of the broadcast
	Name string
}

// Append appends Len and the body.
func (m *Track) Append(v *Version, b []byte) []byte {
	e := appendTo(v, b)
	m.encode(&e)
	return e.finish()
}

// Length returns how many bytes Append adds.
func (m *Track) Length(v *Version) int {
	e := measure(v)
	m.encode(&e)
	return e.length()
}

// Validate returns an error if m must not be sent.
func (m *Track) Validate(v *Version) error {
	e := check(v, "TRACK")
	m.encode(&e)
	return e.verdict()
}

func (m *Track) encode(e *encoder) {
	e.exists(e.v.Track)
	e.path("path", m.Path)
	e.string("name", m.Name)
}

// Parse sets m from the body.
func (m *Track) Parse(v *Version, body []byte) error {
	d := decode(v, "TRACK", body)
	d.exists(v.Track)
	*m = Track{Path: d.path("path"), Name: d.string("name")}
	return d.finish()
}
