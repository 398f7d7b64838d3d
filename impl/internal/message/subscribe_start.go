package message

// SubscribeStart is SUBSCRIBE_START of moq-lite-05 and 06 (the draft calls it
// SUBSCRIBE_OK), on a Subscribe stream (type 2): no group with a number below Group will be
// sent.
type SubscribeStart struct {
	Group uint64
}

// Append appends Type, Len and the body.
func (m *SubscribeStart) Append(v *Version, b []byte) []byte {
	e := appendTo(v, v.AppendVarint(b, v.responseType(ResponseStart)))
	m.encode(&e)
	return e.finish()
}

// Length returns how many bytes Append adds.
func (m *SubscribeStart) Length(v *Version) int {
	e := measure(v)
	m.encode(&e)
	return v.VarintLen(v.responseType(ResponseStart)) + e.length()
}

// Validate returns an error if m must not be sent.
func (m *SubscribeStart) Validate(v *Version) error {
	e := check(v, "SUBSCRIBE_START")
	m.encode(&e)
	return e.verdict()
}

func (m *SubscribeStart) encode(e *encoder) {
	e.exists(e.v.ImplicitOK)
	e.varint("group", m.Group)
}

// Parse sets m from the body.
func (m *SubscribeStart) Parse(v *Version, body []byte) error {
	d := decode(v, "SUBSCRIBE_START", body)
	d.exists(v.ImplicitOK)
	*m = SubscribeStart{Group: d.varint("group")}
	return d.finish()
}
