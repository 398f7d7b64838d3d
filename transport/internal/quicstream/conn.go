package quicstream

import (
	"crypto/tls"
	"errors"
	"unicode/utf8"

	"github.com/quic-go/quic-go"

	"github.com/moqlite/moqlite/transport"
	"github.com/moqlite/moqlite/transport/internal/tlsalert"
)

// maxReason is how many bytes of a reason fit into a CONNECTION_CLOSE frame in
// the smallest packet. The close of a WebTransport session has the same limit.
const maxReason = 1024

// Lost makes the error of a connection that ended without a close of either
// side.
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

// MarkAlert returns err, wrapped so that it matches
// [transport.ErrUnauthorized] if it is the TLS alert of a peer that rejects
// our certificate.
func MarkAlert(err error) error {
	t, ok := errors.AsType[*quic.TransportError](err)
	if !ok || !t.Remote || !t.ErrorCode.IsCryptoError() {
		return err
	}
	return tlsalert.Mark(tls.AlertError(t.ErrorCode-firstAlert), err)
}

// firstAlert is the QUIC error code for TLS alert 0 (RFC 9001, section 4.8).
const firstAlert quic.TransportErrorCode = 0x100

// CutReason truncates the reason of a close to the length that can be sent, at
// the start of a character.
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

// Stats returns quic-go's counters as transport.Stats.
func Stats(q *quic.Conn) transport.Stats {
	s := q.ConnectionStats()
	return transport.Stats{
		MinRTT: s.MinRTT, RTT: s.SmoothedRTT, RTTVar: s.MeanDeviation,
		BytesSent: s.BytesSent, BytesReceived: s.BytesReceived, BytesLost: s.BytesLost,
		PacketsSent: s.PacketsSent, PacketsReceived: s.PacketsReceived, PacketsLost: s.PacketsLost,
		CongestionWindow: s.CongestionWindow,
	}
}
