package message

// An AnnounceStatus is the status byte of an [Announce].
type AnnounceStatus uint8

const (
	AnnounceEnded  AnnounceStatus = 0 // withdrawn
	AnnounceActive AnnounceStatus = 1 // published

	// announceRestart means the same as AnnounceActive, in versions with
	// [Version.AnnounceReplaces].
	announceRestart AnnounceStatus = 2
)

// Announce is ANNOUNCE of moq-lite-03 to 05, on an Announce stream (type 1): the
// publisher announces or withdraws a broadcast. In moq-lite-06 [AnnounceStart],
// [AnnounceUpdate] and [AnnounceEnd] take its place.
type Announce struct {
	Status AnnounceStatus
	Suffix string // of the path, below the requested prefix

	// Hops is the route, originator first, 0 for a hop without an id. With
	// AnnounceEnded it is sent empty. Only with [Version.HopIDs].
	Hops []uint64

	// HopCount is the length of the route. Only without [Version.HopIDs].
	HopCount uint64
}

// Append appends Len and the body.
func (m *Announce) Append(v *Version, b []byte) []byte {
	e := appendTo(v, b)
	m.encode(&e)
	return e.finish()
}

// Length returns how many bytes Append adds.
func (m *Announce) Length(v *Version) int {
	e := measure(v)
	m.encode(&e)
	return e.length()
}

// Validate returns an error if m must not be sent.
func (m *Announce) Validate(v *Version) error {
	e := check(v, "ANNOUNCE")
	m.encode(&e)
	return e.verdict()
}

func (m *Announce) encode(e *encoder) {
	e.exists(!e.v.AnnounceIDs)
	e.must(m.Status <= AnnounceActive, "status", "neither ended nor active")
	e.uint8(uint8(m.Status))
	e.path("suffix", m.Suffix)
	if e.v.HopIDs {
		e.hops(m.Hops)
	} else {
		e.must(m.HopCount <= MaxHops, "hop count", "above 32")
		e.varint("hop count", m.HopCount)
	}
}

// Parse sets m from the body.
func (m *Announce) Parse(v *Version, body []byte) error {
	d := decode(v, "ANNOUNCE", body)
	d.exists(!v.AnnounceIDs)
	*m = Announce{Status: AnnounceStatus(d.uint8("status")), Suffix: d.path("suffix")}
	if m.Status == announceRestart && v.AnnounceReplaces {
		m.Status = AnnounceActive
	}
	d.must(m.Status <= AnnounceActive, "status", "neither ended nor active")
	if v.HopIDs {
		m.Hops = d.hops()
	} else {
		m.HopCount = d.varint("hop count")
		d.must(m.HopCount <= MaxHops, "hop count", "above 32")
	}
	return d.finish()
}
