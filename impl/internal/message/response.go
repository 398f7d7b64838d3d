package message

import "slices"

// A ResponseKind is which answer of the publisher a Subscribe stream holds next.
// Versions number them differently.
type ResponseKind uint8

const (
	ResponseUnknown ResponseKind = iota // fails the stream
	ResponseOK                          // [SubscribeOK], unless [Version.ImplicitOK]
	ResponseStart                       // [SubscribeStart], where [Version.ImplicitOK]
	ResponseEnd                         // [SubscribeEnd], where [Version.ImplicitOK]
	ResponseDrop                        // [SubscribeDrop]
)

// ResponseKind returns what the Type t in front of an answer means.
func (v *Version) ResponseKind(t uint64) ResponseKind {
	if t >= uint64(len(v.responses)) {
		return ResponseUnknown
	}
	return v.responses[t]
}

// responseType returns the Type of a kind of answer; 0 where there is none.
func (v *Version) responseType(kind ResponseKind) uint64 {
	return uint64(max(slices.Index(v.responses, kind), 0))
}
