package message

// A StreamType is the number that a stream begins with. The numbers of bidirectional and
// unidirectional streams are independent.
type StreamType uint64

// The bidirectional streams of moq-lite-06. Goaway is missing in moq-lite-03, Track in 03
// and 04, and Fetch is not served in these.
const (
	StreamAnnounce  StreamType = 1 // from the subscriber: [AnnounceRequest]
	StreamSubscribe StreamType = 2 // from the subscriber: [Subscribe]
	StreamFetch     StreamType = 3 // from the subscriber: [Fetch]
	StreamProbe     StreamType = 4 // from the subscriber, without a message; answered by [Probe]
	StreamGoAway    StreamType = 5 // from either end: [GoAway]
	StreamTrack     StreamType = 6 // from the subscriber: [Track]
)

// The unidirectional streams of moq-lite-06. Setup is missing in moq-lite-03 and 04.
const (
	StreamGroup StreamType = 0 // from the publisher: [Group] and frames
	StreamSetup StreamType = 1 // from both ends: [Setup]
)

// Serves reports whether a bidirectional stream of type t is answered.
func (v *Version) Serves(t StreamType) bool {
	switch t {
	case StreamAnnounce, StreamSubscribe, StreamProbe:
		return true
	case StreamFetch:
		return v.Fetch
	case StreamGoAway:
		return v.GoAway
	case StreamTrack:
		return v.Track
	default:
		return false
	}
}

// ServesUni reports whether a unidirectional stream of type t is read.
func (v *Version) ServesUni(t StreamType) bool {
	return t == StreamGroup || t == StreamSetup && v.Setup
}
