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

// Permanent tells whether err would come again however often one tried:
// refused credentials, no version in common, an untrusted certificate, a URL
// that leads nowhere, a client that is closed.
func Permanent(err error) bool {
	for _, sentinel := range []error{
		api.ErrUnauthorized, api.ErrUnsupportedVersion, api.ErrUnsupportedScheme,
		api.ErrNotSupported, api.ErrClientClosed,
	} {
		if errors.Is(err, sentinel) {
			return true
		}
	}
	return badCertificate(err) || badAddress(err)
}

// closedHere tells whether a session ended because its client was closed.
func closedHere(err error) bool {
	var ended *api.SessionError
	return errors.As(err, &ended) && !ended.Remote && ended.Err == nil && ended.Code == api.SessionNoError
}

// alertInternal is what a server in trouble says: it may recover.
const alertInternal tls.AlertError = 80

// badCertificate tells whether a side does not trust the other's certificate.
func badCertificate(err error) bool {
	var (
		verification *tls.CertificateVerificationError
		alert        tls.AlertError
		authority    x509.UnknownAuthorityError
		hostname     x509.HostnameError
		invalid      x509.CertificateInvalidError
	)
	switch {
	case errors.As(err, &alert):
		return alert != alertInternal
	case errors.As(err, &verification), errors.As(err, &authority), errors.As(err, &hostname), errors.As(err, &invalid):
		return true
	}
	var failed *api.DialError
	var network net.Error
	return errors.As(err, &failed) && failed.Phase == api.PhaseTLS && !errors.As(err, &network) && !cutOff(failed.Err)
}

// cutOff tells whether a handshake came to its end too early.
func cutOff(err error) bool { return errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) }

// badAddress tells whether the URL itself is wrong. A name that cannot be
// looked up now may be found later.
func badAddress(err error) bool {
	var failed *api.DialError
	var network net.Error
	return errors.As(err, &failed) && failed.Phase == api.PhaseResolve && !errors.As(err, &network)
}
