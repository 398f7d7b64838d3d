package transport

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/url"
	"slices"
	"strings"
)

// ByScheme is a [Dialer] that hands each URL to the dialer of its scheme.
type ByScheme map[string]Dialer

// Dial calls the dialer registered for url's scheme.
func (m ByScheme) Dial(ctx context.Context, rawURL string, protocols []string) (Conn, error) {
	u, err := url.Parse(rawURL)
	if err != nil {
		return nil, &DialError{Phase: PhaseResolve, Err: errors.New("malformed URL")}
	}
	d := m[u.Scheme]
	if d == nil {
		return nil, &DialError{Phase: PhaseResolve, Err: fmt.Errorf("%w %q (known: %s)", ErrUnsupportedScheme, u.Scheme, m.schemes())}
	}
	return d.Dial(ctx, rawURL, protocols)
}

// Close closes each dialer that can be closed; one that serves several schemes
// is closed as often.
func (m ByScheme) Close() error {
	var errs []error
	for _, d := range m {
		if c, ok := d.(io.Closer); ok {
			errs = append(errs, c.Close())
		}
	}
	return errors.Join(errs...)
}

func (m ByScheme) schemes() string {
	var s []string
	for scheme := range m {
		s = append(s, scheme+"://")
	}
	slices.Sort(s)
	return strings.Join(s, ", ")
}

var _ interface {
	Dialer
	io.Closer
} = ByScheme(nil)
