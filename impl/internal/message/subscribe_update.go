package message

// SubscribeUpdate follows [Subscribe] on its stream, as often as the subscriber
// wants, and replaces all parameters.
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

// Validate says what keeps m from being sent, or nil.
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
