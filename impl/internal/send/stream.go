package send

import "github.com/moqlite/moqlite/transport"

// A stream is that of a group, with its abilities, which are looked up once. The zero value
// is none.
type stream struct {
	transport.SendStream
	tries transport.TryWriter   // nil if it cannot be written to without blocking
	ranks transport.Prioritizer // nil if it cannot be prioritized
}

func newStream(raw transport.SendStream) stream {
	tries, _ := transport.As[transport.TryWriter](raw)
	ranks, _ := transport.As[transport.Prioritizer](raw)
	return stream{raw, tries, ranks}
}

// isOpen reports whether there is a stream.
func (s stream) isOpen() bool { return s.SendStream != nil }

// begin sets the urgency of a stream that was just opened. It reports false if the
// transport cannot prioritize streams.
func (s stream) begin(u int8) bool {
	if u != transport.DefaultUrgency {
		s.prioritize(u)
	}
	return s.ranks != nil
}

// prioritize sets the urgency of the stream, if the transport can.
func (s stream) prioritize(u int8) {
	if s.ranks != nil {
		s.ranks.SetPriority(u, true)
	}
}
