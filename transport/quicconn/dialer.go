package quicconn

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/quic-go/quic-go"

	"github.com/moqlite/moqlite/transport"
	"github.com/moqlite/moqlite/transport/internal/stated"
)

// transportName is the Transport of the connections' State.
const transportName = transport.QUIC

// A DialAddrFunc dials native QUIC at addr, which is host:port. tlsConf has
// the protocols to offer and the server's name; the function owns both
// configurations. ctx bounds the dial alone. [Wrap] makes a transport.Conn of
// a connection of quic-go.
type DialAddrFunc func(ctx context.Context, addr string, tlsConf *tls.Config, conf *quic.Config) (transport.Conn, error)

// A Dialer dials moqt:// and moql:// URLs. The zero value is ready to use. It
// never writes to its fields, which must not change after the first Dial.
type Dialer struct {
	// Endpoint is the socket to dial over. Nil: the Dialer makes one.
	Endpoint *Endpoint

	// TLSConfig is the TLS configuration, of which each dial uses a copy with
	// its own protocols. Nil: the certificate roots of the system.
	TLSConfig *tls.Config

	// QUICConfig is the QUIC configuration, of which each dial uses a copy
	// with datagrams enabled. Nil, and zero fields, mean the values of
	// [DefaultConfig]; a negative KeepAlivePeriod means no keep-alives. With
	// Allow0RTT, and a ClientSessionCache in TLSConfig, dials send early data
	// to servers that the client has connected to before.
	QUICConfig *quic.Config

	// DialAddr, if set, is called instead of dialling over the Endpoint.
	DialAddr DialAddrFunc

	once sync.Once
	own  *Endpoint
}

var _ transport.TargetDialer = (*Dialer)(nil)

// Dial implements [transport.Dialer]. This binding does not send the URL's
// path and query to the server; they are in the connection's State.
func (d *Dialer) Dial(ctx context.Context, url string, protocols []string) (transport.Conn, error) {
	t, err := transport.ParseURL(url)
	if err != nil {
		return nil, withTransport(ctx, err)
	}
	return d.DialTarget(ctx, t, protocols)
}

// DialTarget implements [transport.TargetDialer].
func (d *Dialer) DialTarget(ctx context.Context, t *transport.Target, protocols []string) (transport.Conn, error) {
	c, err := d.dial(ctx, t, protocols)
	if err != nil {
		return nil, withTransport(ctx, err)
	}
	return c, nil
}

func (d *Dialer) dial(ctx context.Context, t *transport.Target, protocols []string) (transport.Conn, error) {
	if err := t.Check(transport.QUIC); err != nil {
		return nil, err
	}
	if len(protocols) == 0 {
		return nil, dialError(transport.PhaseNegotiate, fmt.Errorf("%w: none is offered", transport.ErrNoCommonProtocol))
	}
	if d.DialAddr != nil {
		return d.dialWith(ctx, t, protocols)
	}
	q, err := d.endpoint().dialRaced(ctx, t.Addr(), request{
		protocols: protocols, tls: d.TLSConfig, conf: d.QUICConfig, early: true, ownSocket: t.Options.OwnSocket,
	})
	if err != nil {
		return nil, err
	}
	c := wrap(q.Conn, t.URL)
	if q.early != "" {
		c.startEarlyData(q.early)
	}
	if err := checkProtocol(c, protocols); err != nil {
		return nil, err
	}
	return c, nil
}

// dialWith dials with DialAddr.
func (d *Dialer) dialWith(ctx context.Context, t *transport.Target, protocols []string) (transport.Conn, error) {
	if ctx.Err() != nil {
		return nil, dialError(transport.PhaseConnect, context.Cause(ctx))
	}
	c, err := d.DialAddr(ctx, t.Addr(), configureTLS(d.TLSConfig, t.URL.Hostname(), protocols), configure(d.QUICConfig))
	if err != nil {
		return nil, err
	}
	if err := checkProtocol(c, protocols); err != nil {
		return nil, err
	}
	return stated.WithURL(c, t.URL), nil
}

// checkProtocol closes c and returns an error unless it speaks one of
// protocols.
func checkProtocol(c transport.Conn, protocols []string) error {
	p := c.State().Protocol
	if slices.Contains(protocols, p) {
		return nil
	}
	_ = c.CloseWithError(0, "")
	return dialError(transport.PhaseNegotiate, fmt.Errorf("%w: the server chose %q (offered: %s)",
		transport.ErrNoCommonProtocol, p, strings.Join(protocols, ", ")))
}

// withTransport makes a DialError with the binding's name of any error.
func withTransport(ctx context.Context, err error) error {
	d, ok := errors.AsType[*transport.DialError](err)
	switch {
	case ok:
		e := *d
		e.Transport = transportName
		return &e
	case ctx.Err() != nil:
		d = dialError(transport.PhaseConnect, context.Cause(ctx))
	case isTimeout(err):
		d = dialError(transport.PhaseConnect, fmt.Errorf("no answer: UDP may be blocked, or the server down: %w", err))
	default:
		d, _ = errors.AsType[*transport.DialError](explainHandshake("the server", "", err))
	}
	d.Transport = transportName
	return d
}

func (d *Dialer) endpoint() *Endpoint {
	if d.Endpoint != nil {
		return d.Endpoint
	}
	d.once.Do(func() { d.own = new(Endpoint) })
	return d.own
}

// Close closes the Endpoint, also one that was given, with its sockets. Close
// connections before: their peers are not told.
func (d *Dialer) Close() error { return d.endpoint().Close() }
