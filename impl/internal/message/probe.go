package message

// Probe is a report of the publisher on a Probe stream (type 4). 0 means unknown:
// a measured 0 is sent as 1.
type Probe struct {
	Bitrate uint64 // in bits per second
	RTT     uint64 // in milliseconds; only where [Version.ProbeRTT]
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

// Validate says what keeps m from being sent, or nil.
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
