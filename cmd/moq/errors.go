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

// userMessage returns the message for an error, with a hint what to do about it.
func userMessage(err error) string {
	if d, ok := errors.AsType[*diagnosis](err); ok {
		return d.Error() + d.lines()
	}
	if hint := hint(err); hint != "" {
		return fmt.Sprintf("%v: %s", err, hint)
	}
	return err.Error()
}

// isA tells whether err is or wraps an E.
func isA[E error](err error) bool {
	_, ok := errors.AsType[E](err)
	return ok
}

func hint(err error) string {
	switch failed, ok := errors.AsType[*api.DialError](err); {
	case isA[usageError](err):
		return ""
	case errors.Is(err, api.ErrUnsupportedScheme):
		return "use https://, moqt://, wss://, tls:// or, for a development server, http://"
	case errors.Is(err, api.ErrUnsupportedVersion):
		return "moq probe finds out which versions the server speaks"
	case errors.Is(err, api.ErrUnauthorized):
		return "does the URL need a token, as in ?jwt=…, or another one?"
	case errors.Is(err, api.ErrNotSupported):
		return "that takes a later version of moq-lite"
	case ok:
		return dialHint(failed)
	default:
		return ""
	}
}

func dialHint(failed *api.DialError) string {
	err := failed.Err
	switch invalid, ok := errors.AsType[x509.CertificateInvalidError](err); {
	case errors.Is(err, tlspin.ErrMismatch):
		return "is this the server you mean? If it has a new certificate, pin that with --fingerprint"
	case ok && invalid.Reason == x509.Expired:
		return "the server needs a new certificate, or this machine the right time"
	case isA[x509.HostnameError](err):
		return "use a name in the URL that the certificate is for, or pin it with --fingerprint HEX"
	case isA[*tls.CertificateVerificationError](err):
		return "trust it with --fingerprint HEX (a moq server tells it) or --ca FILE, or skip the check with --insecure"
	case isA[*quicconn.PathError](err):
		return "give the way there (a tunnel, a VPN) a larger MTU, or use wss://, which needs none (https:// tries both)"
	case isA[*net.DNSError](err):
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
