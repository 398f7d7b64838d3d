package quicconn

import (
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"

	"github.com/quic-go/quic-go"

	"github.com/moqlite/moqlite/transport"
	"github.com/moqlite/moqlite/transport/internal/quicstream"
)

// errRefused is the cause with which a dial is cancelled when a probe finds
// that nothing listens at the address.
var errRefused = errors.New("connection refused")

const (
	// The transport errors of QUIC from firstAlert to lastAlert are TLS
	// alerts.
	firstAlert quic.TransportErrorCode = 0x100
	lastAlert  quic.TransportErrorCode = 0x1ff

	// noApplicationProtocol is the alert of a server that supports none of the
	// offered ALPNs.
	noApplicationProtocol = firstAlert + 120
)

func dialError(phase transport.Phase, err error) *transport.DialError {
	return &transport.DialError{Phase: phase, Err: err}
}

// phaseOf returns the position of a dial error's phase in the order of the
// phases.
func phaseOf(err error) int {
	d, ok := errors.AsType[*transport.DialError](err)
	if !ok {
		return -1
	}
	return slices.Index([]transport.Phase{
		transport.PhaseResolve, transport.PhaseConnect, transport.PhaseTLS, transport.PhaseUpgrade, transport.PhaseNegotiate,
	}, d.Phase)
}

// explain makes the error of an attempt at addr that failed with err, from
// what a probe found.
func (d *dial) explain(ctx context.Context, addr *net.UDPAddr, err error, found findings) error {
	offered := strings.Join(d.tls.NextProtos, ", ")
	cause := context.Cause(ctx)
	switch timeout := cause == nil && isTimeout(err) || errors.Is(cause, context.DeadlineExceeded); {
	case found.verdict == verdictRefused:
		return dialError(transport.PhaseConnect, fmt.Errorf("nothing listens at %v (UDP): %w", addr, errRefused))
	case timeout && d.pathError(found) != nil:
		return dialError(transport.PhaseConnect, fmt.Errorf("no handshake with %v: %w: %w", addr, d.pathError(found), cmp.Or(cause, err)))
	case timeout && found.verdict == verdictAlive:
		return dialError(transport.PhaseNegotiate, silentServer(addr, offered, cmp.Or(cause, err)))
	case cause != nil:
		return dialError(transport.PhaseConnect, cause)
	case timeout:
		return dialError(transport.PhaseConnect, fmt.Errorf("no answer from %v: UDP may be blocked, or the server down: %w", addr, err))
	}
	return explainHandshake(addr.String(), offered, err)
}

// packetSizeNeeded is the packet size that a handshake requires of the path:
// that of our first packets or of a server's, whichever is larger.
func (d *dial) packetSizeNeeded() int {
	return min(max(usualPacket, int(d.conf.InitialPacketSize)), largestPacket)
}

// pathError returns the error for a path that does not carry the first packets,
// ours or possibly the server's; nil if the probe did not find that.
func (d *dial) pathError(found findings) error {
	switch need := d.packetSizeNeeded(); {
	case found.verdict == verdictNarrow:
		return &PathError{Need: leastPacket}
	case found.most > 0 && found.most < need:
		return &PathError{Most: found.most, Need: need}
	default:
		return nil
	}
}

// silentServer is the error for a server that speaks QUIC but does not
// complete the handshake. Some do not answer when they support none of the
// ALPNs; or their packets are too large for the way back, which cannot be
// measured from here.
func silentServer(addr *net.UDPAddr, offered string, err error) error {
	return fmt.Errorf("%v speaks QUIC but does not complete the handshake: %w (offered: %s), or the server does not answer, or with packets too large for the path: %w",
		addr, transport.ErrNoCommonProtocol, offered, err)
}

// explainHandshake makes the error of an attempt whose handshake failed.
func explainHandshake(addr, offered string, err error) error {
	t, ok := errors.AsType[*quic.TransportError](err)
	switch {
	case isCertificateError(err):
		return dialError(transport.PhaseTLS, fmt.Errorf(
			"the server's certificate is not trusted (pin its fingerprint, name its CA, or skip the verification): %w", err))
	case ok && t.ErrorCode == noApplicationProtocol:
		return dialError(transport.PhaseNegotiate, fmt.Errorf("%w (offered: %s): %w", transport.ErrNoCommonProtocol, offered, err))
	case ok && t.ErrorCode >= firstAlert && t.ErrorCode <= lastAlert:
		return dialError(transport.PhaseTLS, quicstream.MarkAlert(err))
	case ok && t.Remote && t.ErrorCode == quic.ConnectionRefused:
		return dialError(transport.PhaseConnect, fmt.Errorf("%s accepts no more connections: %w", addr, err))
	}
	return dialError(transport.PhaseConnect, err)
}

// isCertificateError tells whether this side has rejected the peer's
// certificate.
func isCertificateError(err error) bool {
	_, verification := errors.AsType[*tls.CertificateVerificationError](err)
	_, authority := errors.AsType[x509.UnknownAuthorityError](err)
	_, invalid := errors.AsType[x509.CertificateInvalidError](err)
	_, hostname := errors.AsType[x509.HostnameError](err)
	return verification || authority || invalid || hostname
}
