package quicstream

import (
	"errors"
	"unicode/utf8"

	"github.com/quic-go/quic-go"

	"github.com/moqlite/moqlite/transport"
)

// maxReason is how many bytes of a reason a CONNECTION_CLOSE has room for in
// the smallest packet, and a WebTransport session's close in any.
const maxReason = 1024

// Lost is the end of a connection by what is no close of either side.
func Lost(err error) *transport.ConnError {
	e := &transport.ConnError{Err: err}
	if t, ok := errors.AsType[*quic.TransportError](err); ok {
		e.Remote = t.Remote
	}
	if a, ok := errors.AsType[*quic.ApplicationError](err); ok {
		e.Remote = a.Remote
	}
	if _, ok := errors.AsType[*quic.StatelessResetError](err); ok {
		e.Remote = true
	}
	return e
}

// CutReason shortens the reason of a close to what there is room for.
func CutReason(reason string) string {
	if len(reason) <= maxReason {
		return reason
	}
	end := maxReason
	for end > 0 && !utf8.RuneStart(reason[end]) {
		end--
	}
	return reason[:end]
}

// Stats translates quic-go's counters.
func Stats(q *quic.Conn) transport.Stats {
	s := q.ConnectionStats()
	return transport.Stats{
		MinRTT: s.MinRTT, RTT: s.SmoothedRTT, RTTVar: s.MeanDeviation,
		BytesSent: s.BytesSent, BytesReceived: s.BytesReceived, BytesLost: s.BytesLost,
		PacketsSent: s.PacketsSent, PacketsReceived: s.PacketsReceived, PacketsLost: s.PacketsLost,
		CongestionWindow: s.CongestionWindow,
	}
}
