package redial

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"

	"github.com/moqlite/moqlite/api"
)

// ErrRestarted is [api.ErrRestarted].
var ErrRestarted = api.ErrRestarted

// A RestartError is an [api.RestartError].
type RestartError = api.RestartError

// Permanent reports whether another try would fail with err again: refused
// credentials, no version in common, an untrusted certificate, a URL that leads
// nowhere, a client that is closed.
func Permanent(err error) bool {
	for _, sentinel := range []error{
		api.ErrUnauthorized, api.ErrUnsupportedVersion, api.ErrUnsupportedScheme,
		api.ErrNotSupported, api.ErrClientClosed,
	} {
		if errors.Is(err, sentinel) {
			return true
		}
	}
	return isBadCertificate(err) || isBadURL(err)
}

// isPermanent reports whether a failed dial is the last. A server that does not complete
// the handshake in time may have no version in common with us. But after a session with it,
// it rather has too much to do, as when it was just started again and all dial at once.
func (s *Session) isPermanent(err error) bool {
	return s.policy.Permanent(err) && !(s.hasConnected() && isUnanswered(err))
}

// isUnanswered reports whether a handshake was not completed in time, so that there may be
// no version in common.
func isUnanswered(err error) bool {
	timeout, ok := errors.AsType[net.Error](err)
	return ok && timeout.Timeout() && errors.Is(err, api.ErrUnsupportedVersion)
}

// isClosedHere reports whether a session ended because its client was closed.
func isClosedHere(err error) bool {
	ended, ok := errors.AsType[*api.SessionError](err)
	return ok && !ended.Remote && ended.Err == nil && ended.Code == api.SessionNoError
}

// alertInternal is the alert of a server that has a problem: it may recover.
const alertInternal tls.AlertError = 80

// isBadCertificate reports whether one side does not trust the other's
// certificate.
func isBadCertificate(err error) bool {
	if alert, ok := errors.AsType[tls.AlertError](err); ok {
		return alert != alertInternal
	}
	if isA[*tls.CertificateVerificationError](err) || isA[x509.UnknownAuthorityError](err) ||
		isA[x509.HostnameError](err) || isA[x509.CertificateInvalidError](err) {
		return true
	}
	failed, ok := errors.AsType[*api.DialError](err)
	return ok && failed.Phase == api.PhaseTLS && !isA[net.Error](err) && !isHandshakeCut(failed.Err)
}

// isA reports whether err is, or wraps, an error of a type.
func isA[E error](err error) bool {
	_, ok := errors.AsType[E](err)
	return ok
}

// isHandshakeCut reports whether a handshake was cut off.
func isHandshakeCut(err error) bool {
	return errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF)
}

// isBadURL reports whether the URL itself is wrong. A name that cannot be
// looked up now may be found later.
func isBadURL(err error) bool {
	failed, ok := errors.AsType[*api.DialError](err)
	return ok && failed.Phase == api.PhaseResolve && !isA[net.Error](err)
}
