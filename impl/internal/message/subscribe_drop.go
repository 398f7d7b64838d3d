package message

// SubscribeDrop is SUBSCRIBE_DROP of moq-lite-03 to 06, on a Subscribe stream (type 2): the
// groups from Start to End, both included, will not be sent. A range that ends before it
// starts is accepted, and is empty.
type SubscribeDrop struct {
	Start uint64
	End   uint64
	Error uint64 // a stream error code
}

// Append appends Type, Len and the body.
func (m *SubscribeDrop) Append(v *Version, b []byte) []byte {
	e := appendTo(v, v.AppendVarint(b, v.responseType(ResponseDrop)))
	m.encode(&e)
	return e.finish()
}

// Length returns how many bytes Append adds.
func (m *SubscribeDrop) Length(v *Version) int {
	e := measure(v)
	m.encode(&e)
	return v.VarintLen(v.responseType(ResponseDrop)) + e.length()
}

// Validate returns an error if m must not be sent.
func (m *SubscribeDrop) Validate(v *Version) error {
	e := check(v, "SUBSCRIBE_DROP")
	m.encode(&e)
	return e.verdict()
}

func (m *SubscribeDrop) encode(e *encoder) {
	e.varint("start", m.Start)
	e.varint("end", m.End)
	e.varint("error", m.Error)
}

// Parse sets m from the body.
func (m *SubscribeDrop) Parse(v *Version, body []byte) error {
	d := decode(v, "SUBSCRIBE_DROP", body)
	*m = SubscribeDrop{Start: d.varint("start"), End: d.varint("end"), Error: d.varint("error")}
	return d.finish()
}
