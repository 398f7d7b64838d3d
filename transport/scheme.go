package transport

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
)

// The bindings that this module has, as [State] names them.
const (
	QUIC         = "quic"         // native QUIC, in package quicconn
	WebTransport = "webtransport" // over HTTP/3, in package wtconn
	WebSocket    = "websocket"    // in package wsconn, as are the next two
	TLS          = "tls"          // Qmux over TLS, without HTTP
	TCP          = "tcp"          // Qmux over TCP, without HTTP
)

// A Scheme is what the scheme of a URL says of the connection to make.
type Scheme struct {
	// Name is the scheme itself, in lower case.
	Name string

	// Transport is the binding that serves the scheme, such as [QUIC]. It is
	// empty for a scheme that is not in the table, which only a Dialer written
	// elsewhere can serve.
	Transport string

	// Port is that of URLs that name none; empty: they must name one.
	Port string

	// Secure says that the server proves who it is and that what is sent is
	// encrypted.
	Secure bool

	// CarriesPath says that the binding takes the URL's path and query to the
	// server. Over the others only a SETUP does, which moq-lite has from
	// version 05 on.
	CarriesPath bool

	// Fallback is the scheme to dial with where the network lets no UDP
	// through; empty: none.
	Fallback string
}

// schemes is the one table of them. http is for development servers: what it
// pins is fetched without protection.
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

// Schemes returns what each scheme that the bindings of this module serve
// means. The caller owns the slice.
func Schemes() []Scheme { return slices.Clone(schemes) }

// SchemeByName returns what a scheme means, given in lower case. A scheme that
// is not in the table has its name alone, and is taken for one that carries its
// path.
func SchemeByName(name string) (s Scheme, known bool) {
	for _, s := range schemes {
		if s.Name == name {
			return s, true
		}
	}
	return Scheme{Name: name, CarriesPath: true}, false
}

// ByScheme is a [Dialer] that hands each URL to the dialer of its scheme.
type ByScheme map[string]Dialer

// ByBinding returns the dialers of all schemes whose binding is a key of
// dialers.
func ByBinding(dialers map[string]Dialer) ByScheme {
	m := make(ByScheme)
	for _, s := range schemes {
		if d := dialers[s.Transport]; d != nil {
			m[s.Name] = d
		}
	}
	return m
}

// Dial calls the dialer registered for url's scheme.
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

// schemes are the names of those that m has a dialer for, sorted.
func (m ByScheme) schemes() []string {
	var names []string
	for name := range m {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// unsupported is the error of a dialer that serves other schemes.
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
