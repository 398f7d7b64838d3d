package api

// A Frame is a timestamped payload, the unit that applications read and
// write.
type Frame struct {
	// Timestamp counts the track's timescale ([TrackInfo].Timescale units a
	// second). Below moq-lite-05 none travels: it is dropped on writing, and
	// is the arrival in Unix milliseconds on reading.
	Timestamp uint64

	// Payload may be empty.
	Payload []byte
}

// A FrameHeader is what precedes a frame's payload: what [GroupWriter].StartFrame
// is given, and [GroupReader].NextFrame returns.
type FrameHeader struct {
	Timestamp uint64 // as in Frame
	Size      uint64 // of the payload, in bytes
}

// A Datagram is a group of one frame, sent unreliably (moq-lite-05 on).
type Datagram struct {
	// Sequence is the group's number. SendDatagram takes 0 for the track's next
	// number; to send number 0 itself there is SendDatagramAt.
	Sequence GroupSequence

	// Timestamp is as in Frame.
	Timestamp uint64

	// Payload is at most some 1,150 bytes: with its header it must fit into
	// 1,200.
	Payload []byte
}
