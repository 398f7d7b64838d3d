package transport

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"slices"
	"strings"
)

// A Target is where a URL leads to, parsed once for all dialers that it passes,
// and how it is dialled. It is not changed after it was made. Printed, it tells
// nothing that may be secret.
type Target struct {
	// URL is what was asked for. It may hold credentials.
	URL *url.URL

	// Scheme is what the URL's scheme means.
	Scheme Scheme

	// Options say how to dial.
	Options DialOptions
}

// DialOptions ask for something beside a connection. The zero value asks for
// nothing.
type DialOptions struct {
	// OwnSocket asks for a socket that nothing else uses. What balances load
	// between servers may go by the client's port: over the socket of a
	// connection to a server that is about to stop, the next one would lead to
	// the same server. A dialer that shares no socket need not look at it.
	OwnSocket bool

	// NoFallback asks a [Fallback] to dial with First alone.
	NoFallback bool
}

// A TargetDialer is a [Dialer] that takes a URL as it was parsed before, with
// options. One that hands dials on to others should be one: a Dialer that is
// none does not hear of the options.
type TargetDialer interface {
	Dialer

	// DialTarget is Dial for a target that another dialer, or a client, has
	// made of the URL with [ParseURL]. It changes nothing of t.
	DialTarget(ctx context.Context, t *Target, protocols []string) (Conn, error)
}

// DialTarget dials t with d, which gets the options if it is a [TargetDialer].
func DialTarget(ctx context.Context, d Dialer, t *Target, protocols []string) (Conn, error) {
	if d, ok := d.(TargetDialer); ok {
		return d.DialTarget(ctx, t, protocols)
	}
	return d.Dial(ctx, t.URL.String(), protocols)
}

// ParseURL makes a Target of a URL that names a scheme and a host; the scheme
// can be any. The error is a [*DialError] of phase resolve, which does not
// repeat the URL.
func ParseURL(rawURL string) (*Target, error) {
	u, err := url.Parse(rawURL)
	switch {
	case err != nil:
		return nil, resolveError(errors.New("malformed URL")) // the parser's error repeats it
	case u.Scheme == "":
		return nil, resolveError(fmt.Errorf("%w: the URL has none: it begins with https://, moqt:// or the like", ErrUnsupportedScheme))
	case u.Hostname() == "":
		return nil, resolveError(errors.New("the URL names no host"))
	}
	s, _ := SchemeByName(u.Scheme)
	return &Target{URL: u, Scheme: s}, nil
}

// Check fails with [ErrUnsupportedScheme] unless t's scheme is one of a
// binding among those named: what a dialer does first.
func (t *Target) Check(bindings ...string) error {
	if t.Scheme.Transport != "" && slices.Contains(bindings, t.Scheme.Transport) {
		return nil
	}
	var known []string
	for _, s := range schemes {
		if slices.Contains(bindings, s.Transport) {
			known = append(known, s.Name)
		}
	}
	slices.Sort(known)
	return unsupported(t.Scheme.Name, known)
}

// Addr is the host and port to connect to: the URL's, or else the scheme's
// port, which can be missing.
func (t *Target) Addr() string { return net.JoinHostPort(t.URL.Hostname(), t.Port()) }

// Port is the URL's, or else the scheme's; empty where there is neither.
func (t *Target) Port() string {
	if p := t.URL.Port(); p != "" {
		return p
	}
	return t.Scheme.Port
}

// WithScheme is t with another scheme, known or not.
func (t *Target) WithScheme(name string) *Target {
	u := *t.URL
	u.Scheme = name
	s, _ := SchemeByName(name)
	return &Target{URL: &u, Scheme: s, Options: t.Options}
}

// String is the URL as [Redacted] shows it.
func (t *Target) String() string { return Redacted(t.URL).String() }

// Redacted is u without what may be secret: userinfo, query and fragment. It
// is a copy.
func Redacted(u *url.URL) *url.URL {
	clean := *u
	clean.User, clean.RawQuery, clean.ForceQuery = nil, "", false
	clean.Fragment, clean.RawFragment = "", ""
	// Of user:password@host, without //, the user is taken for the scheme.
	clean.Opaque = u.Opaque[strings.LastIndexByte(u.Opaque, '@')+1:]
	return &clean
}

// RedactURL is a URL's text as [Redacted] shows it, for logs and errors. Where
// it does not parse nothing of it is shown.
func RedactURL(rawURL string) string {
	u, err := url.Parse(rawURL)
	if err != nil {
		return "(malformed)"
	}
	return Redacted(u).String()
}

// resolveError is a failure before anything was sent.
func resolveError(err error) error { return &DialError{Phase: PhaseResolve, Err: err} }
