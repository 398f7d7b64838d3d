package message

// SubscribeParams are the fields that [Subscribe] and [SubscribeUpdate] share. The Ordered
// byte of moq-lite-03 to 05 is unused: it is sent as 0, and any value is accepted.
type SubscribeParams struct {
	Priority uint8  // higher goes first
	MaxAge   uint64 // in milliseconds

	// StartGroup is the number of the first group; with [Version.StartFloor]
	// (moq-lite-06) it is only a lower bound, and 0 is no bound.
	StartGroup uint64

	// Latest asks to start with the latest group, in place of StartGroup. With
	// [Version.StartFloor] it is sent as a bound of 0, and Parse never sets it.
	Latest bool

	// EndGroup is one above the last group, 0 for no end.
	EndGroup uint64

	// StartFrame is the index of the first frame of StartGroup. Like EndFrame, it
	// exists only with [Version.FrameBounds] (moq-lite-06).
	StartFrame uint64

	// EndFrame is one above the index of the last frame of the last group; 0 for all
	// frames. It requires an EndGroup.
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
