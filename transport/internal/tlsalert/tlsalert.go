// Package tlsalert recognizes the TLS alerts by which a peer rejects our
// certificate (RFC 8446, section 6.2). A client may get such an alert after
// its own side of the handshake is complete, when its dial has succeeded
// already.
package tlsalert

import (
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"slices"

	"github.com/moqlite/moqlite/transport"
)

// NoProtocol is the alert of a server that supports none of the offered ALPNs.
const NoProtocol tls.AlertError = 120

// refusals are the alerts by which a peer rejects a certificate, or the lack
// of one.
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

// Mark returns err, wrapped so that it matches [transport.ErrUnauthorized] if
// the alert of the peer that caused it rejects our certificate.
func Mark(alert tls.AlertError, err error) error {
	if !slices.Contains(refusals, alert) {
		return err
	}
	return fmt.Errorf("%w: the other side refuses our certificate, or wants one: %w", transport.ErrUnauthorized, err)
}

// OverTCP returns the alert of the peer in an error of crypto/tls; ok is false
// if there is none. crypto/tls does not export the type of alerts, so they are
// recognized by their text. An alert that is not listed here is returned as 0.
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
