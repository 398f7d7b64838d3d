package message

// TrackInfo is TRACK_INFO of moq-lite-05 and 06, the answer to [Track]. A track's info does
// not change.
type TrackInfo struct {
	Priority  uint8  // higher goes first, among subscriptions of equal priority
	MaxAge    uint64 // in milliseconds
	Timescale uint64 // of the timestamps, per second; not 0
}

// Append appends Len and the body.
func (m *TrackInfo) Append(v *Version, b []byte) []byte {
	e := appendTo(v, b)
	m.encode(&e)
	return e.finish()
}

// Length returns how many bytes Append adds.
func (m *TrackInfo) Length(v *Version) int {
	e := measure(v)
	m.encode(&e)
	return e.length()
}

// Validate returns an error if m must not be sent.
func (m *TrackInfo) Validate(v *Version) error {
	e := check(v, "TRACK_INFO")
	m.encode(&e)
	return e.verdict()
}

func (m *TrackInfo) encode(e *encoder) {
	e.exists(e.v.Track)
	e.uint8(m.Priority)
	if e.v.ordered {
		e.uint8(0)
	}
	e.varint("max age", m.MaxAge)
	e.varint("timescale", m.Timescale)
	e.must(m.Timescale != 0, "timescale", "0")
}

// Parse sets m from the body.
func (m *TrackInfo) Parse(v *Version, body []byte) error {
	d := decode(v, "TRACK_INFO", body)
	d.exists(v.Track)
	*m = TrackInfo{Priority: d.uint8("priority")}
	if v.ordered {
		d.uint8("ordered")
	}
	m.MaxAge = d.varint("max age")
	m.Timescale = d.varint("timescale")
	d.must(m.Timescale != 0, "timescale", "0")
	return d.finish()
}
