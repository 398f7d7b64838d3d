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

// A Dialer dials ws://, wss://, tcp:// and tls:// URLs. The zero value is ready
// to use. Its fields are never written to and must not change after the first
// Dial. It holds nothing between dials.
type Dialer struct {
	// TLSConfig is cloned, and the protocols to negotiate are set; nil: the
	// system's roots.
	TLSConfig *tls.Config

	// Header is sent along with each request of WebSocket.
	Header http.Header

	// Config is what servers are granted; nil: the defaults.
	Config *Config

	// DialContext makes the TCP connections; nil: a net.Dialer's.
	DialContext func(ctx context.Context, network, address string) (net.Conn, error)
}

var _ transport.TargetDialer = (*Dialer)(nil)

// Dial implements [transport.Dialer]. Path and query go with the request of
// WebSocket; TCP and TLS have no place for them.
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
		return nil, named(binding, transport.PhaseNegotiate, fmt.Errorf("%w: none is offered", transport.ErrNoCommonProtocol))
	case ctx.Err() != nil:
		return nil, named(binding, transport.PhaseConnect, context.Cause(ctx))
	}
	c, err := dial(ctx, t.URL, protocols)
	if err == nil {
		err = ready(ctx, c)
	}
	if err != nil {
		if ctx.Err() != nil {
			err = inPhaseOf(err, context.Cause(ctx))
		}
		return nil, named(binding, transport.PhaseNegotiate, err)
	}
	return c.Transport(), nil
}

// inPhaseOf is cause as a failure in the phase that err is of.
func inPhaseOf(err, cause error) error {
	if d, ok := errors.AsType[*transport.DialError](err); ok {
		return failure(d.Phase, cause)
	}
	return cause
}

// ready waits for the peer to say what it grants.
func ready(ctx context.Context, c *qmux.Conn) error {
	if err := c.Ready(ctx); errors.Is(err, transport.ErrUnauthorized) {
		return failure(transport.PhaseTLS, err) // a server's refusal of a certificate comes late
	} else if err != nil {
		return fmt.Errorf("no Qmux at the other end: %w", err)
	}
	return nil
}

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

// tlsConfig is a copy of the Dialer's for a host and ALPNs.
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
