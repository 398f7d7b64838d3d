package message

import "fmt"

// Datagram is a datagram of moq-lite-05 and 06, which holds a group of one frame. It has
// no Len: the payload ends with the datagram.
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

// Validate returns an error if m must not be sent.
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

// Parse sets m from a whole datagram. It copies the payload into the memory of m.Payload
// if that is large enough.
func (m *Datagram) Parse(v *Version, b []byte) error {
	d := decode(v, "datagram", b)
	d.exists(v.Datagrams)
	m.Subscribe = d.varint("subscription")
	m.Sequence = d.varint("sequence")
	m.Timestamp = d.varint("timestamp")
	m.Payload = append(m.Payload[:0], d.b...)
	return d.err
}
