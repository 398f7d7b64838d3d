package message

import "fmt"

// Datagram is a group of one frame in a datagram, where [Version.Datagrams]. It
// has no Len: the payload goes to the datagram's end.
type Datagram struct {
	Subscribe uint64 // the id of the subscription
	Sequence  uint64 // of the group
	Timestamp uint64 // of the frame, in the track's timescale
	Payload   []byte
}

// Append appends the datagram.
func (m *Datagram) Append(v *Version, b []byte) []byte {
	e := appendBody(v, b)
	m.encode(&e)
	return append(e.b, m.Payload...)
}

// Length returns how many bytes Append adds.
func (m *Datagram) Length(v *Version) int {
	e := measure(v)
	m.encode(&e)
	return e.n + len(m.Payload)
}

// Validate says what keeps m from being sent, or nil.
func (m *Datagram) Validate(v *Version) error {
	e := check(v, "datagram")
	m.encode(&e)
	if n := e.n + len(m.Payload); e.err == nil && n > MaxDatagram {
		return fmt.Errorf("datagram of %d bytes, the most is %d: %w", n, MaxDatagram, ErrTooLarge)
	}
	return e.err
}

func (m *Datagram) encode(e *encoder) {
	e.exists(e.v.Datagrams)
	e.varint("subscription", m.Subscribe)
	e.varint("sequence", m.Sequence)
	e.varint("timestamp", m.Timestamp)
}

// Parse sets m from a whole datagram. The payload is copied, into m's own if
// that is large enough.
func (m *Datagram) Parse(v *Version, b []byte) error {
	d := decode(v, "datagram", b)
	d.exists(v.Datagrams)
	m.Subscribe = d.varint("subscription")
	m.Sequence = d.varint("sequence")
	m.Timestamp = d.varint("timestamp")
	m.Payload = append(m.Payload[:0], d.b...)
	return d.err
}
