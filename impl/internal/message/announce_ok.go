package message

// AnnounceOK is ANNOUNCE_OK of moq-lite-05 and 06: the publisher's first message on an
// Announce stream (type 1).
type AnnounceOK struct {
	Hop    uint64 // the publisher's hop id, 0 if it has none
	Active uint64 // a hint: number of announcements that follow at once
}

// Append appends Len and the body.
func (m *AnnounceOK) Append(v *Version, b []byte) []byte {
	e := appendTo(v, b)
	m.encode(&e)
	return e.finish()
}

// Length returns how many bytes Append adds.
func (m *AnnounceOK) Length(v *Version) int {
	e := measure(v)
	m.encode(&e)
	return e.length()
}

// Validate returns an error if m must not be sent.
func (m *AnnounceOK) Validate(v *Version) error {
	e := check(v, "ANNOUNCE_OK")
	m.encode(&e)
	return e.verdict()
}

func (m *AnnounceOK) encode(e *encoder) {
	e.exists(e.v.AnnounceOK)
	e.varint("hop", m.Hop)
	e.varint("active", m.Active)
}

// Parse sets m from the body.
func (m *AnnounceOK) Parse(v *Version, body []byte) error {
	d := decode(v, "ANNOUNCE_OK", body)
	d.exists(v.AnnounceOK)
	*m = AnnounceOK{Hop: d.varint("hop"), Active: d.varint("active")}
	return d.finish()
}
