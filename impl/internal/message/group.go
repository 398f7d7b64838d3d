package message

// Group is GROUP of moq-lite-03 to 06, which opens a Group stream (unidirectional, type
// 0). Frames follow it, to the end of the stream.
type Group struct {
	Subscribe uint64 // the id of the subscription
	Sequence  uint64

	// StartFrame is the index of the first frame that follows. Only with
	// [Version.FrameBounds].
	StartFrame uint64
}

// Append appends Len and the body.
func (m *Group) Append(v *Version, b []byte) []byte {
	e := appendTo(v, b)
	m.encode(&e)
	return e.finish()
}

// Length returns how many bytes Append adds.
func (m *Group) Length(v *Version) int {
	e := measure(v)
	m.encode(&e)
	return e.length()
}

// Validate returns an error if m must not be sent.
func (m *Group) Validate(v *Version) error {
	e := check(v, "GROUP")
	m.encode(&e)
	return e.verdict()
}

func (m *Group) encode(e *encoder) {
	e.varint("subscription", m.Subscribe)
	e.varint("sequence", m.Sequence)
	if e.v.FrameBounds {
		e.varint("start frame", m.StartFrame)
	} else {
		e.must(m.StartFrame == 0, "start frame", "not in the version")
	}
}

// Parse sets m from the body.
func (m *Group) Parse(v *Version, body []byte) error {
	d := decode(v, "GROUP", body)
	*m = Group{Subscribe: d.varint("subscription"), Sequence: d.varint("sequence")}
	if v.FrameBounds {
		m.StartFrame = d.varint("start frame")
	}
	return d.finish()
}
