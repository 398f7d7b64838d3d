package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"

	"github.com/moqlite/moqlite/api"
)

// sentence says what went wrong, and what to do about it.
func sentence(err error) string {
	if hint := hint(err); hint != "" {
		return fmt.Sprintf("%v: %s", err, hint)
	}
	return err.Error()
}

func hint(err error) string {
	var untrusted *tls.CertificateVerificationError
	var failed *api.DialError
	switch {
	case errors.As(err, new(usageError)):
		return ""
	case errors.As(err, &untrusted):
		return "trust it with --fingerprint HEX (a moq server tells it) or --ca FILE, or skip the check with --insecure"
	case errors.Is(err, api.ErrUnsupportedScheme):
		return "use https://, moqt://, moql:// or, for a development server, http://"
	case errors.Is(err, api.ErrUnsupportedVersion):
		return "drop --version-only, or ask for a version that the server speaks"
	case errors.Is(err, api.ErrUnauthorized):
		return "does the URL need a token, as in ?jwt=…, or another one?"
	case errors.As(err, &failed) && failed.Phase == api.PhaseConnect && errors.Is(err, context.DeadlineExceeded):
		return "is UDP blocked on the way?"
	default:
		return ""
	}
}
