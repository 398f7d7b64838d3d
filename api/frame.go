package api

// A Frame is a timestamped payload, the unit that applications read and write
// (moq-lite-06, "FRAME").
type Frame struct {
	// Timestamp counts in the track's timescale ([TrackInfo].Timescale units a
	// second). Below moq-lite-05 timestamps are not sent: a writer drops them,
	// and a reader returns the arrival in Unix milliseconds.
	Timestamp uint64

	// Payload may be empty.
	Payload []byte
}

// A FrameHeader comes before a frame's payload (moq-lite-06, "FRAME"). It is
// passed to [GroupWriter].StartFrame and returned by [GroupReader].NextFrame.
type FrameHeader struct {
	Timestamp uint64 // as in Frame
	Size      uint64 // of the payload, in bytes
}

// A Datagram is a group of one frame, sent unreliably in a datagram of the
// transport (moq-lite-05 and 06).
type Datagram struct {
	// Sequence is the group's number. For SendDatagram, 0 means the track's
	// next number; SendDatagramAt can send number 0 itself.
	Sequence GroupSequence

	// Timestamp is as in Frame.
	Timestamp uint64

	// Payload is at most some 1,150 bytes: with its header it must fit into
	// 1,200.
	Payload []byte
}
