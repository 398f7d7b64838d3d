package message

// SubscribeEnd is SUBSCRIBE_END of moq-lite-05 and 06, on a Subscribe stream (type 2): no
// group with the number Group or above will be sent. An empty track ends at 0.
type SubscribeEnd struct {
	Group uint64
}

// Append appends Type, Len and the body.
func (m *SubscribeEnd) Append(v *Version, b []byte) []byte {
	e := appendTo(v, v.AppendVarint(b, v.responseType(ResponseEnd)))
	m.encode(&e)
	return e.finish()
}

// Length returns how many bytes Append adds.
func (m *SubscribeEnd) Length(v *Version) int {
	e := measure(v)
	m.encode(&e)
	return v.VarintLen(v.responseType(ResponseEnd)) + e.length()
}

// Validate returns an error if m must not be sent.
func (m *SubscribeEnd) Validate(v *Version) error {
	e := check(v, "SUBSCRIBE_END")
	m.encode(&e)
	return e.verdict()
}

func (m *SubscribeEnd) encode(e *encoder) {
	e.exists(e.v.ImplicitOK)
	e.varint("group", m.Group)
}

// Parse sets m from the body.
func (m *SubscribeEnd) Parse(v *Version, body []byte) error {
	d := decode(v, "SUBSCRIBE_END", body)
	d.exists(v.ImplicitOK)
	*m = SubscribeEnd{Group: d.varint("group")}
	return d.finish()
}
