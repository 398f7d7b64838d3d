package quicstream

import (
	"crypto/tls"
	"errors"
	"unicode/utf8"

	"github.com/quic-go/quic-go"

	"github.com/moqlite/moqlite/transport"
	"github.com/moqlite/moqlite/transport/internal/tlsalert"
)

// maxReason is how many bytes of a reason a CONNECTION_CLOSE has room for in
// the smallest packet, and a WebTransport session's close in any.
const maxReason = 1024

// Lost is the end of a connection by what is no close of either side.
func Lost(err error) *transport.ConnError {
	e := &transport.ConnError{Err: MarkAlert(err)}
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

// MarkAlert returns err, such that it matches [transport.ErrUnauthorized] if it is
// the TLS alert of a peer that refuses our certificate.
func MarkAlert(err error) error {
	t, ok := errors.AsType[*quic.TransportError](err)
	if !ok || !t.Remote || !t.ErrorCode.IsCryptoError() {
		return err
	}
	return tlsalert.Mark(tls.AlertError(t.ErrorCode-firstAlert), err)
}

// firstAlert is QUIC's code for TLS's alert 0 (RFC 9001, section 4.8).
const firstAlert quic.TransportErrorCode = 0x100

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
