package main

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"syscall"

	"github.com/moqlite/moqlite/api"
	"github.com/moqlite/moqlite/impl/format"
	"github.com/moqlite/moqlite/impl/format/fmp4"
	"github.com/moqlite/moqlite/transport/quicconn"
	"github.com/moqlite/moqlite/transport/tlspin"
)

// userMessage returns the message for an error, with a hint what to do about it.
func userMessage(err error) string {
	if d, ok := errors.AsType[*diagnosis](err); ok {
		return d.Error() + d.lines()
	}
	// The error comes first and is complete: a hint may be wrong.
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

// sourceHint makes of any source one that can be streamed.
const sourceHint = "try ffmpeg -i SOURCE -c copy -f mp4 -movflags +frag_keyframe+empty_moov+default_base_moof - | moq pub URL PATH.hang"

// hint returns what to do about an error, "" if nothing is known. It goes from
// what is certain to what is likely, so the order of the cases counts.
func hint(err error) string {
	switch failed, ok := errors.AsType[*api.DialError](err); {
	// The message is the hint.
	case isA[usageError](err):
		return ""
	case errors.Is(err, api.ErrUnsupportedScheme):
		return "use https://, moqt://, wss://, tls:// or, for a development server, http://"
	case errors.Is(err, api.ErrUnsupportedVersion):
		return "moq probe finds out which versions the server speaks"
	case errors.Is(err, api.ErrUnauthorized):
		return "does the server need a token (--token FILE, or ?jwt=… in the URL), or a different one?"
	case errors.Is(err, api.ErrNotSupported):
		return "this needs a later version of moq-lite"
	case isA[*format.UnsupportedError](err), errors.Is(err, fmp4.ErrNotFragmented):
		return sourceHint
	case ok:
		return dialHint(failed)
	default:
		return ""
	}
}

// dialHint returns what to do about a failed dial. A question is a guess: from
// here a server that is down and a blocked port look the same.
func dialHint(failed *api.DialError) string {
	err := failed.Err
	switch invalid, ok := errors.AsType[x509.CertificateInvalidError](err); {
	case errors.Is(err, tlspin.ErrMismatch):
		return "is this the server you mean? If it has a new certificate, pin that with --fingerprint"
	case ok && invalid.Reason == x509.Expired:
		return "renew the server's certificate, or set this machine's clock"
	case isA[x509.HostnameError](err):
		return "use a host name in the URL that the certificate is valid for, or pin it with --fingerprint HEX"
	case isA[*tls.CertificateVerificationError](err):
		return "trust it with --fingerprint HEX (which moq relay prints) or --ca FILE, or skip the verification with --insecure"
	case isA[*quicconn.PathError](err):
		return "increase the MTU of the path (a tunnel, a VPN), or use wss://, which works with any (https:// tries both)"
	case isA[*net.DNSError](err):
		return "is the host name correct?"
	case errors.Is(err, api.ErrNotFound):
		return "is the path in the URL correct?"
	// The server has answered, and its answer says what is wrong.
	case failed.Phase != api.PhaseConnect:
		return ""
	case unreachable(err):
		return "has this machine a network with a route to this address?"
	case timedOut(err):
		return "is the server up, or is UDP blocked? wss:// does not need UDP"
	case errors.Is(err, syscall.ECONNREFUSED):
		return "is the server up, and is this its port? In production the scheme is https://"
	default:
		return "is the server up, and is this its port?"
	}
}
