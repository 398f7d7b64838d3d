package message

// SubscribeParams is what a subscriber asks for, and may change. The Ordered
// byte that some versions have in it is dead: it is written as 0, and any value
// is accepted.
type SubscribeParams struct {
	Priority uint8  // higher goes first
	MaxAge   uint64 // in milliseconds

	// StartGroup is the first group, or with [Version.StartFloor] the least
	// that may be delivered, where 0 means none.
	StartGroup uint64

	// Latest asks for the latest group at first, instead of StartGroup. With
	// [Version.StartFloor] it travels as a floor of 0, and is never set by Parse.
	Latest bool

	// EndGroup is one above the last group, 0 for no end.
	EndGroup uint64

	// StartFrame is the first frame, of StartGroup. Only where
	// [Version.FrameBounds], like EndFrame.
	StartFrame uint64

	// EndFrame is one above the last frame, of the last group; 0 for all. It
	// needs an EndGroup.
	EndFrame uint64
}

func (p *SubscribeParams) encode(e *encoder) {
	e.uint8(p.Priority)
	if e.v.ordered {
		e.uint8(0)
	}
	e.varint("max age", p.MaxAge)
	switch {
	case p.Latest:
		e.varint("start group", 0)
	case e.v.StartFloor:
		e.varint("start group", p.StartGroup)
	default:
		e.some("start group", p.StartGroup)
	}
	e.varint("end group", p.EndGroup)
	if !e.v.FrameBounds {
		e.must(p.StartFrame == 0 && p.EndFrame == 0, "frame bound", "not in the version")
		return
	}
	e.varint("start frame", p.StartFrame)
	e.varint("end frame", p.EndFrame)
	e.must(p.EndFrame == 0 || p.EndGroup != 0, "end frame", "without an end group")
}

func (p *SubscribeParams) decode(d *decoder) {
	*p = SubscribeParams{Priority: d.uint8("priority")}
	if d.v.ordered {
		d.uint8("ordered")
	}
	p.MaxAge = d.varint("max age")
	p.StartGroup = d.varint("start group")
	if !d.v.StartFloor {
		p.Latest = p.StartGroup == 0
		p.StartGroup = max(p.StartGroup, 1) - 1
	}
	p.EndGroup = d.varint("end group")
	if d.v.FrameBounds {
		p.StartFrame = d.varint("start frame")
		p.EndFrame = d.varint("end frame")
		d.must(p.EndFrame == 0 || p.EndGroup != 0, "end frame", "without an end group")
	}
}
