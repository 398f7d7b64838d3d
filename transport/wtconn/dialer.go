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
	"github.com/moqlite/moqlite/transport/internal/stated"
	"github.com/moqlite/moqlite/transport/quicconn"
)

// A DialAddrFunc requests a WebTransport session at url, whose scheme is https
// and whose port is explicit. header has the offer in WT-Available-Protocols;
// tlsConf has the ALPN h3 and the server's name. All are the callee's to keep.
// The response may be nil, and is looked at for its status alone. ctx bounds
// the dial alone. [Wrap] makes the connection that it returns of
// webtransport-go's session.
type DialAddrFunc func(ctx context.Context, url string, header http.Header, tlsConf *tls.Config) (*http.Response, transport.Conn, error)

// A Dialer dials https:// URLs, and http:// URLs of development servers: these
// publish the fingerprint of their certificate on the TCP port of the same
// number. The zero value is ready to use. Its fields are never written to and
// must not change after the first Dial.
type Dialer struct {
	// Endpoint is the socket to dial over; nil: one of the Dialer's own.
	Endpoint *quicconn.Endpoint

	// TLSConfig is cloned, and the protocol to negotiate is set; nil: the
	// system's roots. With one that verifies by roots of its own, or does not
	// verify, http:// pins nothing.
	TLSConfig *tls.Config

	// QUICConfig is cloned, and datagrams are switched on; nil, and its zeros,
	// are those of quicconn.DefaultConfig; a negative KeepAlivePeriod is none.
	QUICConfig *quic.Config

	// DialAddr replaces the Endpoint, and the client of this package; nil:
	// these.
	DialAddr DialAddrFunc

	// Header is sent along with each request.
	Header http.Header

	once sync.Once
	own  *quicconn.Endpoint
}

var _ transport.TargetDialer = (*Dialer)(nil)

// Dial implements [transport.Dialer]. Path and query go with the request.
func (d *Dialer) Dial(ctx context.Context, url string, protocols []string) (transport.Conn, error) {
	t, err := transport.ParseURL(url)
	if err != nil {
		return nil, named(ctx, err)
	}
	return d.DialTarget(ctx, t, protocols)
}

// DialTarget implements [transport.TargetDialer].
func (d *Dialer) DialTarget(ctx context.Context, t *transport.Target, protocols []string) (transport.Conn, error) {
	c, err := d.dial(ctx, t, protocols)
	if err != nil {
		return nil, named(ctx, err)
	}
	return c, nil
}

func (d *Dialer) dial(ctx context.Context, t *transport.Target, protocols []string) (transport.Conn, error) {
	if err := t.Check(transport.WebTransport); err != nil {
		return nil, err
	}
	if ctx.Err() != nil {
		return nil, dialError(transport.PhaseConnect, context.Cause(ctx))
	}
	header, err := d.header(protocols)
	if err != nil {
		return nil, dialError(transport.PhaseNegotiate, err)
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
		u.Host = t.URL.Host // as browsers name it
	}
	c, err := upgrade(ctx, q, u, header, protocols)
	if err != nil {
		return nil, err
	}
	c.state.URL = t.URL
	return c, nil
}

// dialWith dials with the user's function.
func (d *Dialer) dialWith(ctx context.Context, u *url.URL, header http.Header, tlsConf *tls.Config, protocols []string) (transport.Conn, error) {
	tlsConf = tlsConf.Clone()
	if tlsConf == nil {
		tlsConf = new(tls.Config)
	}
	if tlsConf.ServerName == "" {
		tlsConf.ServerName = u.Hostname()
	}
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

// header is what goes with a request.
func (d *Dialer) header(protocols []string) (http.Header, error) {
	if len(protocols) == 0 {
		return nil, fmt.Errorf("%w: none is offered", transport.ErrNoCommonProtocol)
	}
	offer, err := formatOffer(protocols)
	if err != nil {
		return nil, err
	}
	header := d.Header.Clone()
	if header == nil {
		header = make(http.Header)
	}
	header.Set(offerHeader, offer)
	return header, nil
}

func dialError(phase transport.Phase, err error) *transport.DialError {
	return &transport.DialError{Phase: phase, Err: err}
}

// named makes of any error a DialError with the binding's name.
func named(ctx context.Context, err error) error {
	e := transport.DialError{Phase: transport.PhaseConnect, Err: err}
	if d, ok := errors.AsType[*transport.DialError](err); ok {
		e = *d
	} else if ctx.Err() != nil {
		e.Err = context.Cause(ctx)
	}
	e.Transport = transportName
	return &e
}

// requestScheme is that of all requests.
const requestScheme = "https"

// requestURL is t's URL as it is requested: https, with the port that it stands
// for, and without what is not the server's to know.
func requestURL(t *transport.Target) *url.URL {
	r := *t.URL
	r.Scheme, r.Host = requestScheme, t.Addr()
	r.User, r.Fragment, r.RawFragment = nil, "", ""
	return &r
}

func (d *Dialer) endpoint() *quicconn.Endpoint {
	if d.Endpoint != nil {
		return d.Endpoint
	}
	d.once.Do(func() { d.own = new(quicconn.Endpoint) })
	return d.own
}

// Close closes the endpoint, given or own. Connections should be closed before.
func (d *Dialer) Close() error { return d.endpoint().Close() }
