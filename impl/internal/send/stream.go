package send

import "github.com/moqlite/moqlite/transport"

// A stream is that of a group. The zero value is none. Its abilities are looked up when they
// are needed: to keep them would make each group larger.
type stream struct{ transport.SendStream }

// isOpen reports whether there is a stream.
func (s stream) isOpen() bool { return s.SendStream != nil }

// begin sets the urgency of a stream that was just opened. It reports false if the
// transport cannot prioritize streams.
func (s stream) begin(u int8) (ranked bool) {
	ranks, ranked := transport.As[transport.Prioritizer](s.SendStream)
	if ranked && u != transport.DefaultUrgency {
		ranks.SetPriority(u, true)
	}
	return ranked
}

// prioritize sets the urgency of the stream, if the transport can.
func (s stream) prioritize(u int8) {
	if ranks, ok := transport.As[transport.Prioritizer](s.SendStream); ok {
		ranks.SetPriority(u, true)
	}
}

// tryWrite writes as much of p as is possible without blocking, and nothing if the transport
// cannot do that.
func (s stream) tryWrite(p []byte) (int, error) {
	if tries, ok := transport.As[transport.TryWriter](s.SendStream); ok {
		return tries.TryWrite(p)
	}
	return 0, nil
}
