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

// transportName is the State's name of the binding.
const transportName = transport.QUIC

// A DialAddrFunc dials native QUIC at addr, host:port. tlsConf has the
// protocols to offer and the server's name; both configurations are the
// callee's to keep. ctx bounds the dial alone. [Wrap] makes the connection that
// it returns of quic-go's.
type DialAddrFunc func(ctx context.Context, addr string, tlsConf *tls.Config, conf *quic.Config) (transport.Conn, error)

// A Dialer dials moqt:// and moql:// URLs. The zero value is ready to use. Its
// fields are never written to and must not change after the first Dial.
type Dialer struct {
	// Endpoint is the socket to dial over; nil: one of the Dialer's own.
	Endpoint *Endpoint

	// TLSConfig is cloned, and the protocols to negotiate are set; nil: the
	// system's roots.
	TLSConfig *tls.Config

	// QUICConfig is cloned, and datagrams are switched on; nil, and its zeros,
	// are those of [DefaultConfig]; a negative KeepAlivePeriod is none. With Allow0RTT, and a
	// ClientSessionCache in TLSConfig, early data goes to servers met before.
	QUICConfig *quic.Config

	// DialAddr replaces the Endpoint; nil: the Endpoint is dialled with.
	DialAddr DialAddrFunc

	once sync.Once
	own  *Endpoint
}

var _ transport.TargetDialer = (*Dialer)(nil)

// Dial implements [transport.Dialer]. The URL's path and query are not for this
// binding to carry; they are in the connection's State.
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
	if err := t.Check(transport.QUIC); err != nil {
		return nil, err
	}
	if len(protocols) == 0 {
		return nil, dialError(transport.PhaseNegotiate, fmt.Errorf("%w: none is offered", transport.ErrNoCommonProtocol))
	}
	if d.DialAddr != nil {
		return d.dialWith(ctx, t, protocols)
	}
	q, err := d.endpoint().dial(ctx, t.Addr(), request{
		protocols: protocols, tls: d.TLSConfig, conf: d.QUICConfig, early: true, ownSocket: t.Options.OwnSocket,
	})
	if err != nil {
		return nil, err
	}
	c := wrap(q.Conn, t.URL)
	if q.early != "" {
		c.takeOff(q.early)
	}
	if err := checkProtocol(c, protocols); err != nil {
		return nil, err
	}
	return c, nil
}

// dialWith dials with the user's function.
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

// checkProtocol closes c unless it speaks one of protocols.
func checkProtocol(c transport.Conn, protocols []string) error {
	p := c.State().Protocol
	if slices.Contains(protocols, p) {
		return nil
	}
	_ = c.CloseWithError(0, "")
	return dialError(transport.PhaseNegotiate, fmt.Errorf("%w: the server chose %q (offered: %s)",
		transport.ErrNoCommonProtocol, p, strings.Join(protocols, ", ")))
}

// named makes of any error a DialError with the binding's name.
func named(ctx context.Context, err error) error {
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

// Close closes the endpoint, given or own. Connections should be closed before.
func (d *Dialer) Close() error { return d.endpoint().Close() }
