package message

// A StreamType is the number that a stream begins with. The same number means
// one thing on a bidirectional stream and another on a unidirectional one.
type StreamType uint64

// The bidirectional streams.
const (
	StreamAnnounce  StreamType = 1 // from the subscriber: [AnnounceRequest]
	StreamSubscribe StreamType = 2 // from the subscriber: [Subscribe]
	StreamFetch     StreamType = 3 // from the subscriber: [Fetch]
	StreamProbe     StreamType = 4 // from the subscriber, which says nothing: the answers are [Probe]
	StreamGoAway    StreamType = 5 // from either end: [GoAway]
	StreamTrack     StreamType = 6 // from the subscriber: [Track]
)

// The unidirectional streams.
const (
	StreamGroup StreamType = 0 // from the publisher: [Group] and frames
	StreamSetup StreamType = 1 // from both ends: [Setup]
)

// Serves tells whether a bidirectional stream of type t is answered.
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

// ServesUni tells whether a unidirectional stream of type t is read.
func (v *Version) ServesUni(t StreamType) bool {
	return t == StreamGroup || t == StreamSetup && v.Setup
}
