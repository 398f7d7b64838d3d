package transport

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
)

// The names of this module's bindings, as in [State].
const (
	QUIC         = "quic"         // native QUIC, in package quicconn
	WebTransport = "webtransport" // WebTransport over HTTP/3, in package wtconn
	WebSocket    = "websocket"    // WebSocket, in package wsconn, as are the next two
	TLS          = "tls"          // Qmux over TLS, without HTTP
	TCP          = "tcp"          // Qmux over TCP, without HTTP
)

// A Scheme describes a URL scheme: which binding serves it, and how.
type Scheme struct {
	// Name is the scheme itself, in lower case.
	Name string

	// Transport is the binding that serves the scheme, such as [QUIC]. It is
	// empty for a scheme that this module does not know, which only a Dialer
	// of somebody else can serve.
	Transport string

	// Port is the default port; empty if the URL must name one.
	Port string

	// Secure says that the server is authenticated and the traffic encrypted.
	Secure bool

	// CarriesPath says that the binding itself sends the URL's path and query
	// to the server. With the others only a moq-lite SETUP message does, which
	// exists from moq-lite-05 on.
	CarriesPath bool

	// Fallback is the scheme to dial instead where the network blocks UDP;
	// empty if there is none.
	Fallback string
}

// schemes is the only list of schemes. http is for development servers: the
// client pins the certificate whose fingerprint it fetches without protection.
var schemes = []Scheme{
	{Name: "moqt", Transport: QUIC, Port: "443", Secure: true},
	{Name: "moql", Transport: QUIC, Port: "443", Secure: true},
	{Name: "https", Transport: WebTransport, Port: "443", Secure: true, CarriesPath: true, Fallback: "wss"},
	{Name: "http", Transport: WebTransport, Port: "80", CarriesPath: true, Fallback: "ws"},
	{Name: "wss", Transport: WebSocket, Port: "443", Secure: true, CarriesPath: true},
	{Name: "ws", Transport: WebSocket, Port: "80", CarriesPath: true},
	{Name: "tls", Transport: TLS, Secure: true},
	{Name: "tcp", Transport: TCP},
}

// Schemes returns the schemes that the bindings of this module serve. The
// caller owns the slice.
func Schemes() []Scheme { return slices.Clone(schemes) }

// SchemeByName returns the scheme of a name in lower case. For an unknown name
// it returns a Scheme with that Name, no Transport, and CarriesPath set.
func SchemeByName(name string) (s Scheme, known bool) {
	for _, s := range schemes {
		if s.Name == name {
			return s, true
		}
	}
	return Scheme{Name: name, CarriesPath: true}, false
}

// ByScheme is a [Dialer] that passes each URL to the dialer registered for its
// scheme.
type ByScheme map[string]Dialer

// ByBinding returns a ByScheme in which each known scheme has the dialer of
// its binding. The keys of dialers are names of bindings, such as [QUIC].
func ByBinding(dialers map[string]Dialer) ByScheme {
	m := make(ByScheme)
	for _, s := range schemes {
		if d := dialers[s.Transport]; d != nil {
			m[s.Name] = d
		}
	}
	return m
}

// Dial dials with the dialer registered for url's scheme. Without one the
// error matches [ErrUnsupportedScheme].
func (m ByScheme) Dial(ctx context.Context, url string, protocols []string) (Conn, error) {
	t, err := ParseURL(url)
	if err != nil {
		return nil, err
	}
	return m.DialTarget(ctx, t, protocols)
}

// DialTarget implements [TargetDialer].
func (m ByScheme) DialTarget(ctx context.Context, t *Target, protocols []string) (Conn, error) {
	d := m[t.Scheme.Name]
	if d == nil {
		return nil, unsupported(t.Scheme.Name, m.schemes())
	}
	return DialTarget(ctx, d, t, protocols)
}

// Close closes each dialer that is an [io.Closer] (see [As]). A dialer that is
// registered for several schemes is closed several times.
func (m ByScheme) Close() error {
	var errs []error
	for _, d := range m {
		if c, ok := As[io.Closer](d); ok {
			errs = append(errs, c.Close())
		}
	}
	return errors.Join(errs...)
}

// schemes returns the schemes that m has a dialer for, sorted.
func (m ByScheme) schemes() []string {
	var names []string
	for name := range m {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// unsupported is the error for a scheme that a dialer does not serve.
func unsupported(scheme string, known []string) error {
	for i := range known {
		known[i] += "://"
	}
	return resolveError(fmt.Errorf("%w %q (known: %s)", ErrUnsupportedScheme, scheme, strings.Join(known, ", ")))
}

var _ interface {
	TargetDialer
	io.Closer
} = ByScheme(nil)
