// Package tlsalert tells which alerts of TLS are about the certificate of who
// gets them (RFC 8446, section 6.2). A client learns of them after its own half
// of the handshake is done: its dial may have succeeded already.
package tlsalert

import (
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"slices"

	"github.com/moqlite/moqlite/transport"
)

// NoProtocol is the alert of a server without a common protocol.
const NoProtocol tls.AlertError = 120

// refusals are the alerts by which a peer refuses a certificate, or the lack of
// one.
var refusals = []tls.AlertError{
	42,  // bad_certificate
	43,  // unsupported_certificate
	44,  // certificate_revoked
	45,  // certificate_expired
	46,  // certificate_unknown
	48,  // unknown_ca
	49,  // access_denied
	116, // certificate_required
}

// Mark returns err, which came with alert from the peer, such that it matches
// [transport.ErrUnauthorized] if our certificate is what the peer refuses.
func Mark(alert tls.AlertError, err error) error {
	if !slices.Contains(refusals, alert) {
		return err
	}
	return fmt.Errorf("%w: the other side refuses our certificate, or wants one: %w", transport.ErrUnauthorized, err)
}

// OverTCP finds the alert in an error of crypto/tls. Those of a peer have a type
// that crypto/tls keeps to itself, so they are told by their text.
func OverTCP(err error) (alert tls.AlertError, ok bool) {
	e, ok := errors.AsType[*net.OpError](err)
	if !ok || e.Op != "remote error" {
		return 0, false
	}
	for _, alert := range append([]tls.AlertError{NoProtocol}, refusals...) {
		if e.Err.Error() == alert.Error() {
			return alert, true
		}
	}
	return 0, true
}

// MarkOverTCP is [Mark] for an error of crypto/tls.
func MarkOverTCP(err error) error {
	if alert, ok := OverTCP(err); ok {
		return Mark(alert, err)
	}
	return err
}
