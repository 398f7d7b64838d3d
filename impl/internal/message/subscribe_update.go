package message

// SubscribeUpdate is SUBSCRIBE_UPDATE of moq-lite-03 to 06, on a Subscribe stream (type 2):
// the subscriber replaces the parameters. It may send any number of them.
type SubscribeUpdate struct {
	SubscribeParams
}

// Append appends Len and the body.
func (m *SubscribeUpdate) Append(v *Version, b []byte) []byte {
	e := appendTo(v, b)
	m.encode(&e)
	return e.finish()
}

// Length returns how many bytes Append adds.
func (m *SubscribeUpdate) Length(v *Version) int {
	e := measure(v)
	m.encode(&e)
	return e.length()
}

// Validate returns an error if m must not be sent.
func (m *SubscribeUpdate) Validate(v *Version) error {
	e := check(v, "SUBSCRIBE_UPDATE")
	m.encode(&e)
	return e.verdict()
}

func (m *SubscribeUpdate) encode(e *encoder) { m.SubscribeParams.encode(e) }

// Parse sets m from the body.
func (m *SubscribeUpdate) Parse(v *Version, body []byte) error {
	d := decode(v, "SUBSCRIBE_UPDATE", body)
	m.SubscribeParams.decode(&d)
	return d.finish()
}
