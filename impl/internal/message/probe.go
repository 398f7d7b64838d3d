package message

// Probe is PROBE of moq-lite-03 to 06: a report of the publisher on a Probe stream (type
// 4). In its fields 0 means unknown: a measured 0 is sent as 1.
type Probe struct {
	Bitrate uint64 // in bits per second
	RTT     uint64 // in milliseconds; only with [Version.ProbeRTT] (moq-lite-04 to 06)
}

// Append appends Len and the body.
func (m *Probe) Append(v *Version, b []byte) []byte {
	e := appendTo(v, b)
	m.encode(&e)
	return e.finish()
}

// Length returns how many bytes Append adds.
func (m *Probe) Length(v *Version) int {
	e := measure(v)
	m.encode(&e)
	return e.length()
}

// Validate returns an error if m must not be sent.
func (m *Probe) Validate(v *Version) error {
	e := check(v, "PROBE")
	m.encode(&e)
	return e.verdict()
}

func (m *Probe) encode(e *encoder) {
	e.varint("bitrate", m.Bitrate)
	if e.v.ProbeRTT {
		e.varint("round-trip time", m.RTT)
	}
}

// Parse sets m from the body.
func (m *Probe) Parse(v *Version, body []byte) error {
	d := decode(v, "PROBE", body)
	*m = Probe{Bitrate: d.varint("bitrate")}
	if v.ProbeRTT {
		m.RTT = d.varint("round-trip time")
	}
	return d.finish()
}
