package wsconn

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"

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

var _ transport.Dialer = (*Dialer)(nil)

// Dial implements [transport.Dialer]. Path and query go with the request of
// WebSocket; TCP and TLS have no place for them.
func (d *Dialer) Dial(ctx context.Context, rawURL string, protocols []string) (transport.Conn, error) {
	u, err := parse(rawURL)
	if err != nil {
		return nil, failure(transport.PhaseResolve, err)
	}
	binding, dial := websocketName, d.dialWebSocket
	switch u.Scheme {
	case "tcp":
		binding, dial = tcpName, d.dialTCP
	case "tls":
		binding, dial = tlsName, d.dialTLS
	}
	switch {
	case len(protocols) == 0:
		return nil, named(binding, transport.PhaseNegotiate, fmt.Errorf("%w: none is offered", transport.ErrNoCommonProtocol))
	case ctx.Err() != nil:
		return nil, named(binding, transport.PhaseConnect, context.Cause(ctx))
	}
	c, err := dial(ctx, u, protocols)
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

// parse checks a URL.
func parse(rawURL string) (*url.URL, error) {
	u, err := url.Parse(rawURL)
	switch {
	case err != nil:
		return nil, errors.New("malformed URL") // the parser's error repeats it
	case u.Scheme != "ws" && u.Scheme != "wss" && u.Scheme != "tcp" && u.Scheme != "tls":
		return nil, fmt.Errorf("%w %q (known: tcp://, tls://, ws://, wss://)", transport.ErrUnsupportedScheme, u.Scheme)
	case u.Hostname() == "":
		return nil, errors.New("the URL names no host")
	}
	return u, nil
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
