package wsconn

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"

	"github.com/moqlite/moqlite/transport"
	"github.com/moqlite/moqlite/transport/internal/qmux"
)

// A Dialer dials ws://, wss://, tcp:// and tls:// URLs. The zero value is
// ready to use. It never writes to its fields, which must not change after the
// first Dial. It holds no sockets between dials and needs no Close.
type Dialer struct {
	// TLSConfig is the TLS configuration, of which each dial uses a copy with
	// its own protocols. Nil: the certificate roots of the system.
	TLSConfig *tls.Config

	// Header is added to each WebSocket request; see also
	// [transport.DialOptions].Header.
	Header http.Header

	// Config has the flow control windows and stream limits granted to
	// servers. Nil: the defaults.
	Config *Config

	// DialContext makes the TCP connections. Nil: a net.Dialer does.
	DialContext func(ctx context.Context, network, address string) (net.Conn, error)
}

var _ transport.TargetDialer = (*Dialer)(nil)

// Dial implements [transport.Dialer]. Over WebSocket the URL's path and query
// are sent in the request; over TCP and TLS they are not sent.
func (d *Dialer) Dial(ctx context.Context, url string, protocols []string) (transport.Conn, error) {
	t, err := transport.ParseURL(url)
	if err != nil {
		return nil, err
	}
	return d.DialTarget(ctx, t, protocols)
}

// DialTarget implements [transport.TargetDialer].
func (d *Dialer) DialTarget(ctx context.Context, t *transport.Target, protocols []string) (transport.Conn, error) {
	if err := t.Check(websocketName, tlsName, tcpName); err != nil {
		return nil, err
	}
	binding, dial := t.Scheme.Transport, d.dialWebSocket
	switch binding {
	case tcpName:
		dial = d.dialTCP
	case tlsName:
		dial = d.dialTLS
	}
	switch {
	case len(protocols) == 0:
		return nil, bindingError(binding, transport.PhaseNegotiate, fmt.Errorf("%w: none is offered", transport.ErrNoCommonProtocol))
	case ctx.Err() != nil:
		return nil, bindingError(binding, transport.PhaseConnect, context.Cause(ctx))
	}
	c, err := dial(ctx, t, protocols)
	if err == nil {
		err = ready(ctx, c)
	}
	if err != nil {
		if ctx.Err() != nil {
			err = inPhaseOf(err, context.Cause(ctx))
		}
		return nil, bindingError(binding, transport.PhaseNegotiate, err)
	}
	return c.Transport(), nil
}

// inPhaseOf returns cause as a failure in the phase of err.
func inPhaseOf(err, cause error) error {
	if d, ok := errors.AsType[*transport.DialError](err); ok {
		return dialError(d.Phase, cause)
	}
	return cause
}

// ready waits for the peer's transport parameters.
func ready(ctx context.Context, c *qmux.Conn) error {
	if err := c.Ready(ctx); errors.Is(err, transport.ErrUnauthorized) {
		return dialError(transport.PhaseTLS, err) // a server rejects a certificate after the handshake
	} else if err != nil {
		return fmt.Errorf("the server does not speak Qmux: %w", err)
	}
	return nil
}

// connect makes a TCP connection, tuned for small delays.
func (d *Dialer) connect(ctx context.Context, network, address string) (net.Conn, error) {
	dial := d.DialContext
	if dial == nil {
		dial = new(net.Dialer).DialContext
	}
	c, err := dial(ctx, network, address)
	if err == nil {
		tune(c)
	}
	return c, err
}

// tlsConfig returns a copy of d.TLSConfig for a host, with protocols as ALPNs.
func (d *Dialer) tlsConfig(host string, protocols []string) *tls.Config {
	conf := d.TLSConfig.Clone()
	if conf == nil {
		conf = new(tls.Config)
	}
	if conf.ServerName == "" {
		conf.ServerName = host
	}
	conf.NextProtos = protocols
	return conf
}
