package transport

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// A Target is a parsed URL with options for the dial. It is parsed once and
// passed through all dialers, none of which changes it. Its String shows
// nothing secret.
type Target struct {
	// URL is the URL as it was given to Dial. It may hold credentials.
	URL *url.URL

	// Scheme describes the URL's scheme.
	Scheme Scheme

	// Options say how to dial.
	Options DialOptions
}

// DialOptions change how a target is dialled. The zero value changes nothing.
type DialOptions struct {
	// OwnSocket asks for a socket that no other connection uses. A load
	// balancer may choose the server by the client's port: over the socket of
	// a connection to a server that is about to stop, the next connection
	// would reach the same server. A dialer whose connections share no socket
	// may ignore it.
	OwnSocket bool

	// NoFallback asks a [Fallback] to dial with First alone.
	NoFallback bool

	// Header is added to the HTTP request of WebTransport and WebSocket; other
	// bindings ignore it. It may hold credentials. A dialer copies it, and
	// refuses fields that the request sets by itself, such as Host or
	// Sec-WebSocket-Key.
	Header http.Header

	// OtherOrigin says that a server has named the URL, and that it leads to
	// another origin than the user's. No header of the user's is then sent.
	OtherOrigin bool
}

// A TargetDialer is a [Dialer] that takes a parsed URL with options. Every
// dialer that passes dials on to others should implement it, because a plain
// Dialer gets no options.
type TargetDialer interface {
	Dialer

	// DialTarget is like Dial, for a target that the caller made with
	// [ParseURL]. It must not change t.
	DialTarget(ctx context.Context, t *Target, protocols []string) (Conn, error)
}

// DialTarget dials t with d. If d is not a [TargetDialer], t's options are
// lost.
func DialTarget(ctx context.Context, d Dialer, t *Target, protocols []string) (Conn, error) {
	if d, ok := As[TargetDialer](d); ok {
		return d.DialTarget(ctx, t, protocols)
	}
	return d.Dial(ctx, t.URL.String(), protocols)
}

// ParseURL parses a URL, which must have a scheme, known or not, and a host.
// The error is a [*DialError] of phase resolve and does not repeat the URL.
func ParseURL(rawURL string) (*Target, error) {
	u, err := url.Parse(rawURL)
	switch {
	case err != nil:
		return nil, resolveError(errors.New("malformed URL")) // the parser's error repeats it
	case u.Scheme == "":
		return nil, resolveError(fmt.Errorf("%w: the URL has none, such as https:// or moqt://", ErrUnsupportedScheme))
	case u.Hostname() == "":
		return nil, resolveError(errors.New("the URL names no host"))
	}
	s, _ := SchemeByName(u.Scheme)
	return &Target{URL: u, Scheme: s}, nil
}

// Check returns an error that matches [ErrUnsupportedScheme] unless t's scheme
// belongs to one of the named bindings. Dialers call it first.
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

// Addr is the host and port to connect to. The port may be empty, see
// [Target.Port].
func (t *Target) Addr() string { return net.JoinHostPort(t.URL.Hostname(), t.Port()) }

// Port is the URL's port, or else the default of its scheme; empty if neither
// exists.
func (t *Target) Port() string {
	if p := t.URL.Port(); p != "" {
		return p
	}
	return t.Scheme.Port
}

// WithScheme returns a copy of t with another scheme, known or not.
func (t *Target) WithScheme(name string) *Target {
	u := *t.URL
	u.Scheme = name
	s, _ := SchemeByName(name)
	return &Target{URL: &u, Scheme: s, Options: t.Options}
}

// String returns the URL as [Redacted] shows it.
func (t *Target) String() string { return Redacted(t.URL).String() }

// Redacted returns a copy of u without what may be secret: userinfo, query and
// fragment.
func Redacted(u *url.URL) *url.URL {
	clean := *u
	clean.User, clean.RawQuery, clean.ForceQuery = nil, "", false
	clean.Fragment, clean.RawFragment = "", ""
	// Without //, as in user:password@host, url.Parse takes the user for the
	// scheme.
	clean.Opaque = u.Opaque[strings.LastIndexByte(u.Opaque, '@')+1:]
	return &clean
}

// RedactURL returns the text of a URL as [Redacted] shows it, for logs and
// errors, and "(malformed)" for one that does not parse.
func RedactURL(rawURL string) string {
	u, err := url.Parse(rawURL)
	if err != nil {
		return "(malformed)"
	}
	return Redacted(u).String()
}

// resolveError is the error of a dial that failed before anything was sent.
func resolveError(err error) error { return &DialError{Phase: PhaseResolve, Err: err} }
