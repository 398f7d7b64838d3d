package message

import "slices"

// A ResponseKind tells which message of the publisher follows on a Subscribe stream (type
// 2). The Types of the messages differ between versions: in moq-lite-03 and 04 OK is 0 and
// DROP 1; in 05 and 06 START is 0, END 1 and DROP 2.
type ResponseKind uint8

const (
	ResponseUnknown ResponseKind = iota // an error on the stream
	ResponseOK                          // [SubscribeOK]
	ResponseStart                       // [SubscribeStart]
	ResponseEnd                         // [SubscribeEnd]
	ResponseDrop                        // [SubscribeDrop]
)

// ResponseKind returns the kind of response that has the Type t.
func (v *Version) ResponseKind(t uint64) ResponseKind {
	if t >= uint64(len(v.responses)) {
		return ResponseUnknown
	}
	return v.responses[t]
}

// responseType returns the Type of a kind of response; 0 if the version does not have it.
func (v *Version) responseType(kind ResponseKind) uint64 {
	return uint64(max(slices.Index(v.responses, kind), 0))
}
