package wtconn

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"

	"github.com/quic-go/quic-go"
	"github.com/quic-go/quic-go/http3"

	"github.com/moqlite/moqlite/transport"
	"github.com/moqlite/moqlite/transport/internal/requestheader"
	"github.com/moqlite/moqlite/transport/internal/stated"
	"github.com/moqlite/moqlite/transport/quicconn"
)

// A DialAddrFunc requests a WebTransport session at url, whose scheme is https
// and which has a port. header has the offered versions in
// WT-Available-Protocols; tlsConf has the ALPN h3 and the server's name. The
// function owns all of them. Of the response, which may be nil, only the
// status is used. ctx bounds the dial alone. [Wrap] makes a transport.Conn of
// a session of webtransport-go.
type DialAddrFunc func(ctx context.Context, url string, header http.Header, tlsConf *tls.Config) (*http.Response, transport.Conn, error)

// A Dialer dials https:// URLs, and http:// URLs of development servers, which
// publish the fingerprint of their certificate over HTTP on the TCP port with
// the same number. The zero value is ready to use. It never writes to its
// exported fields, which must not change after the first Dial.
type Dialer struct {
	// Endpoint is the socket to dial over. Nil: the Dialer makes one.
	Endpoint *quicconn.Endpoint

	// TLSConfig is the TLS configuration, of which each dial uses a copy with
	// its own protocols. Nil: the certificate roots of the system. If it has
	// RootCAs or InsecureSkipVerify, http:// URLs pin no certificate.
	TLSConfig *tls.Config

	// QUICConfig is the QUIC configuration, of which each dial uses a copy
	// with datagrams enabled. Nil, and zero fields, mean the values of
	// quicconn.DefaultConfig; a negative KeepAlivePeriod means no keep-alives.
	QUICConfig *quic.Config

	// DialAddr, if set, is called instead of dialling over the Endpoint.
	DialAddr DialAddrFunc

	// Header is added to each request; see also
	// [transport.DialOptions].Header.
	Header http.Header

	once sync.Once
	own  *quicconn.Endpoint
}

var _ transport.TargetDialer = (*Dialer)(nil)

// Dial implements [transport.Dialer]. The URL's path and query are sent in the
// request.
func (d *Dialer) Dial(ctx context.Context, url string, protocols []string) (transport.Conn, error) {
	t, err := transport.ParseURL(url)
	if err != nil {
		return nil, withTransport(ctx, err)
	}
	return d.DialTarget(ctx, t, protocols)
}

// DialTarget implements [transport.TargetDialer].
func (d *Dialer) DialTarget(ctx context.Context, t *transport.Target, protocols []string) (transport.Conn, error) {
	c, err := d.dialTarget(ctx, t, protocols)
	if err != nil {
		return nil, withTransport(ctx, err)
	}
	return c, nil
}

// dialTarget makes the connection: it pins the certificate of a development
// server, connects over QUIC, and sends the request. Its errors have a phase,
// but do not name the binding.
func (d *Dialer) dialTarget(ctx context.Context, t *transport.Target, protocols []string) (transport.Conn, error) {
	if err := t.Check(transport.WebTransport); err != nil {
		return nil, err
	}
	if ctx.Err() != nil {
		return nil, dialError(transport.PhaseConnect, context.Cause(ctx))
	}
	header, err := d.header(t, protocols)
	if err != nil {
		return nil, err
	}
	u, tlsConf := requestURL(t), d.TLSConfig
	if !t.Scheme.Secure && !verifies(tlsConf) {
		if tlsConf, err = pin(ctx, u, tlsConf); err != nil {
			return nil, err
		}
	}
	if d.DialAddr != nil {
		c, err := d.dialWith(ctx, u, header, tlsConf, protocols)
		if err != nil {
			return nil, err
		}
		return stated.WithURL(c, t.URL), nil
	}
	dial := d.endpoint().Dial
	if t.Options.OwnSocket {
		dial = d.endpoint().DialOwn
	}
	q, err := dial(ctx, u.Host, []string{http3.NextProtoH3}, tlsConf, d.QUICConfig)
	if err != nil {
		return nil, err
	}
	if t.URL.Port() == "" && t.Scheme.Name == requestScheme {
		u.Host = t.URL.Host // without the default port, as in a browser's request
	}
	c, err := upgrade(ctx, q, u, header, protocols)
	if err != nil {
		return nil, err
	}
	c.state.URL = t.URL
	return c, nil
}

// dialWith dials with DialAddr.
func (d *Dialer) dialWith(ctx context.Context, u *url.URL, header http.Header, tlsConf *tls.Config, protocols []string) (transport.Conn, error) {
	tlsConf = tlsConf.Clone()
	if tlsConf == nil {
		tlsConf = new(tls.Config)
	}
	if tlsConf.ServerName == "" {
		tlsConf.ServerName = u.Hostname()
	}
	// What the function needs for a handshake with the right server is set
	// here, so that it can pass tlsConf on as it is.
	tlsConf.NextProtos = []string{http3.NextProtoH3}
	tlsConf.MinVersion = max(tlsConf.MinVersion, tls.VersionTLS13)
	response, c, err := d.DialAddr(ctx, u.String(), header, tlsConf)
	if err != nil {
		if response != nil {
			if byStatus := statusError(response); byStatus != nil {
				return nil, byStatus
			}
		}
		return nil, err
	}
	if p := c.State().Protocol; !slices.Contains(protocols, p) {
		_ = c.CloseWithError(0, "")
		return nil, dialError(transport.PhaseNegotiate, fmt.Errorf("%w: the server chose %q (offered: %s)",
			transport.ErrNoCommonProtocol, p, strings.Join(protocols, ", ")))
	}
	return c, nil
}

// header returns the header of a request that offers protocols.
func (d *Dialer) header(t *transport.Target, protocols []string) (http.Header, error) {
	if len(protocols) == 0 {
		return nil, dialError(transport.PhaseNegotiate, fmt.Errorf("%w: none is offered", transport.ErrNoCommonProtocol))
	}
	offer, err := formatOffer(protocols)
	if err != nil {
		return nil, dialError(transport.PhaseNegotiate, err)
	}
	header, err := requestheader.New(d.Header, t.Options)
	if err != nil {
		return nil, err
	}
	header.Set(offerHeader, offer)
	return header, nil
}

// dialError returns an error of a phase, to which withTransport adds the
// binding.
func dialError(phase transport.Phase, err error) *transport.DialError {
	return &transport.DialError{Phase: phase, Err: err}
}

// withTransport makes a DialError with the binding's name of any error.
func withTransport(ctx context.Context, err error) error {
	e := transport.DialError{Phase: transport.PhaseConnect, Err: err}
	if d, ok := errors.AsType[*transport.DialError](err); ok {
		e = *d
	} else if ctx.Err() != nil {
		e.Err = context.Cause(ctx)
	}
	e.Transport = transportName
	return &e
}

// requestScheme is the scheme of the URL in all requests.
const requestScheme = "https"

// requestURL returns t's URL as it is requested: with https and an explicit
// port, and without userinfo and fragment, which are not for the server.
func requestURL(t *transport.Target) *url.URL {
	r := *t.URL
	r.Scheme, r.Host = requestScheme, t.Addr()
	r.User, r.Fragment, r.RawFragment = nil, "", ""
	return &r
}

// endpoint returns the given Endpoint, or makes one when first called, so that
// a Dialer that is not used opens no socket.
func (d *Dialer) endpoint() *quicconn.Endpoint {
	if d.Endpoint != nil {
		return d.Endpoint
	}
	d.once.Do(func() { d.own = new(quicconn.Endpoint) })
	return d.own
}

// Close closes the Endpoint, also one that was given, with its sockets. Close
// connections before: their peers are not told.
func (d *Dialer) Close() error { return d.endpoint().Close() }
