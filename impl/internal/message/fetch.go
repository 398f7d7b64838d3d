package message

// Fetch is FETCH of moq-lite-03 to 06, which opens a Fetch stream (type 3): the subscriber
// asks for one group. The answer is its frames, without a header. Publishers serve it
// only with [Version.Fetch] (moq-lite-05 and 06).
type Fetch struct {
	Path     string // of the broadcast
	Track    string
	Priority uint8 // higher goes first
	Group    uint64

	// StartFrame is the index of the first frame wanted. Like EndFrame, it exists only
	// with [Version.FrameBounds].
	StartFrame uint64

	// EndFrame is one above the index of the last frame wanted, 0 for all. If not 0,
	// it is above StartFrame.
	EndFrame uint64
}

// Append appends Len and the body.
func (m *Fetch) Append(v *Version, b []byte) []byte {
	e := appendTo(v, b)
	m.encode(&e)
	return e.finish()
}

// Length returns how many bytes Append adds.
func (m *Fetch) Length(v *Version) int {
	e := measure(v)
	m.encode(&e)
	return e.length()
}

// Validate returns an error if m must not be sent.
func (m *Fetch) Validate(v *Version) error {
	e := check(v, "FETCH")
	m.encode(&e)
	return e.verdict()
}

func (m *Fetch) encode(e *encoder) {
	e.path("path", m.Path)
	e.string("track", m.Track)
	e.uint8(m.Priority)
	e.varint("group", m.Group)
	if !e.v.FrameBounds {
		e.must(m.StartFrame == 0 && m.EndFrame == 0, "frame bound", "not in the version")
		return
	}
	e.varint("start frame", m.StartFrame)
	e.varint("end frame", m.EndFrame)
	e.must(m.framesOK(), "end frame", "before the start frame")
}

// Parse sets m from the body.
func (m *Fetch) Parse(v *Version, body []byte) error {
	d := decode(v, "FETCH", body)
	*m = Fetch{
		Path:     d.path("path"),
		Track:    d.string("track"),
		Priority: d.uint8("priority"),
		Group:    d.varint("group"),
	}
	if v.FrameBounds {
		m.StartFrame = d.varint("start frame")
		m.EndFrame = d.varint("end frame")
		d.must(m.framesOK(), "end frame", "before the start frame")
	}
	return d.finish()
}

func (m *Fetch) framesOK() bool { return m.EndFrame == 0 || m.EndFrame > m.StartFrame }
