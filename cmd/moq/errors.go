package main

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"syscall"

	"github.com/moqlite/moqlite/api"
	"github.com/moqlite/moqlite/transport/quicconn"
	"github.com/moqlite/moqlite/transport/tlspin"
)

// sentence says what went wrong, and what to do about it.
func sentence(err error) string {
	if d := (*diagnosis)(nil); errors.As(err, &d) {
		return d.Error() + d.lines()
	}
	if hint := hint(err); hint != "" {
		return fmt.Sprintf("%v: %s", err, hint)
	}
	return err.Error()
}

func hint(err error) string {
	var failed *api.DialError
	switch {
	case errors.As(err, new(usageError)):
		return ""
	case errors.Is(err, api.ErrUnsupportedScheme):
		return "use https://, moqt://, wss://, tls:// or, for a development server, http://"
	case errors.Is(err, api.ErrUnsupportedVersion):
		return "moq probe finds out which versions the server speaks"
	case errors.Is(err, api.ErrUnauthorized):
		return "does the URL need a token, as in ?jwt=…, or another one?"
	case errors.Is(err, api.ErrNotSupported):
		return "that takes a later version of moq-lite"
	case errors.As(err, &failed):
		return dialHint(failed)
	default:
		return ""
	}
}

func dialHint(failed *api.DialError) string {
	var invalid x509.CertificateInvalidError
	var untrusted *tls.CertificateVerificationError
	var narrow *quicconn.PathError
	switch err := failed.Err; {
	case errors.Is(err, tlspin.ErrMismatch):
		return "is this the server you mean? If it has a new certificate, pin that with --fingerprint"
	case errors.As(err, &invalid) && invalid.Reason == x509.Expired:
		return "the server needs a new certificate, or this machine the right time"
	case errors.As(err, new(x509.HostnameError)):
		return "use a name in the URL that the certificate is for, or pin it with --fingerprint HEX"
	case errors.As(err, &untrusted):
		return "trust it with --fingerprint HEX (a moq server tells it) or --ca FILE, or skip the check with --insecure"
	case errors.As(err, &narrow):
		return "give the way there (a tunnel, a VPN) a larger MTU, or use wss://, which needs none (https:// tries both)"
	case errors.As(err, new(*net.DNSError)):
		return "is the host's name spelled right?"
	case errors.Is(err, api.ErrNotFound):
		return "is the path in the URL right?"
	case failed.Phase != api.PhaseConnect:
		return ""
	case unreachable(err):
		return "is there a network that leads to this address?"
	case timedOut(err):
		return "is the server up, or UDP blocked on the way? wss:// does without"
	case errors.Is(err, syscall.ECONNREFUSED):
		return "is the server up, and is this its port? One that is not for development is https://"
	default:
		return "is the server up, and is this its port?"
	}
}
