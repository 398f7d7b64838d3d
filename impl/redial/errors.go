package redial

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"

	"github.com/moqlite/moqlite/api"
)

// ErrRestarted matches every [*RestartError].
var ErrRestarted = errors.New("the track was restarted")

// A RestartError tells that the groups which follow are not a continuation of
// those before: their numbers begin anew. It comes once for each restart, and
// the reader goes on.
type RestartError struct {
	Before, After api.Hop // the origins; 0 is unknown
	Err           error   // why the session before had to be left
}

func (e *RestartError) Error() string {
	if e.Before == 0 || e.After == 0 {
		return fmt.Sprintf("%v: the origin is not known to be the same (%v)", ErrRestarted, e.Err)
	}
	return fmt.Sprintf("%v: it comes from another origin (%v)", ErrRestarted, e.Err)
}

// Unwrap returns Err.
func (e *RestartError) Unwrap() error { return e.Err }

// Is matches ErrRestarted.
func (e *RestartError) Is(target error) bool { return target == ErrRestarted }

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
	return errors.As(err, &failed) && failed.Phase == api.PhaseTLS && !errors.As(err, &network) && !errors.Is(err, io.EOF)
}

// badAddress tells whether the URL itself is wrong. A name that cannot be
// looked up now may be found later.
func badAddress(err error) bool {
	var failed *api.DialError
	var network net.Error
	return errors.As(err, &failed) && failed.Phase == api.PhaseResolve && !errors.As(err, &network)
}
