package wtconn

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"time"

	"github.com/moqlite/moqlite/transport"
	"github.com/moqlite/moqlite/transport/internal/httpstatus"
	"github.com/moqlite/moqlite/transport/tlspin"
)

const (
	// fingerprintPath is where a development server publishes the fingerprint
	// of its certificate.
	fingerprintPath = "/certificate.sha256"

	// fingerprintTimeout bounds the request for it.
	fingerprintTimeout = 5 * time.Second

	// maxFingerprint bounds the response, in bytes.
	maxFingerprint = 256
)

// verifies tells whether a configuration already determines which certificates
// to trust.
func verifies(c *tls.Config) bool {
	return c != nil && (c.RootCAs != nil || c.InsecureSkipVerify)
}

// pin returns a copy of base that trusts only the certificate whose
// fingerprint the server at u publishes.
func pin(ctx context.Context, u *url.URL, base *tls.Config) (*tls.Config, error) {
	ctx, cancel := context.WithTimeout(ctx, fingerprintTimeout)
	defer cancel()
	f, err := fetchFingerprint(ctx, "http://"+u.Host+fingerprintPath)
	switch {
	case ctx.Err() != nil:
		return nil, dialError(transport.PhaseConnect, fmt.Errorf("the certificate's fingerprint: %w", context.Cause(ctx)))
	case err != nil:
		return nil, dialError(transport.PhaseConnect, fmt.Errorf("the certificate's fingerprint, over TCP: %w", err))
	}
	return tlspin.Config(base, f), nil
}

// fetchFingerprint asks a development server for its fingerprint, without TLS.
// Whoever can change the answer can also take the server's place, so http:// is
// for development only. It follows no redirect.
func fetchFingerprint(ctx context.Context, from string) (f tlspin.Fingerprint, err error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, from, nil)
	if err != nil {
		return f, err
	}
	client := &http.Client{
		Transport:     &http.Transport{DisableKeepAlives: true},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	response, err := client.Do(request)
	if e, ok := errors.AsType[*url.Error](err); ok {
		err = e.Err // without the URL
	}
	if err != nil {
		return f, err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return f, fmt.Errorf("%s: %s", fingerprintPath, httpstatus.Describe(response))
	}
	body, err := io.ReadAll(io.LimitReader(response.Body, maxFingerprint))
	if err != nil {
		return f, err
	}
	return tlspin.Parse(string(body))
}
