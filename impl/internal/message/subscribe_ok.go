package message

// SubscribeOK is SUBSCRIBE_OK of moq-lite-03 and 04, on a Subscribe stream (type 2): the
// publisher accepts the subscription. It is the first response, and may be repeated.
// Bounds of zero with Latest mean that the publisher does not tell them.
type SubscribeOK struct {
	SubscribeParams
}

// Append appends Type, Len and the body.
func (m *SubscribeOK) Append(v *Version, b []byte) []byte {
	e := appendTo(v, v.AppendVarint(b, v.responseType(ResponseOK)))
	m.encode(&e)
	return e.finish()
}

// Length returns how many bytes Append adds.
func (m *SubscribeOK) Length(v *Version) int {
	e := measure(v)
	m.encode(&e)
	return v.VarintLen(v.responseType(ResponseOK)) + e.length()
}

// Validate returns an error if m must not be sent.
func (m *SubscribeOK) Validate(v *Version) error {
	e := check(v, "SUBSCRIBE_OK")
	m.encode(&e)
	return e.verdict()
}

func (m *SubscribeOK) encode(e *encoder) {
	e.exists(!e.v.ImplicitOK)
	m.SubscribeParams.encode(e)
}

// Parse sets m from the body.
func (m *SubscribeOK) Parse(v *Version, body []byte) error {
	d := decode(v, "SUBSCRIBE_OK", body)
	d.exists(!v.ImplicitOK)
	m.SubscribeParams.decode(&d)
	return d.finish()
}
