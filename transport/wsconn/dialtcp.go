package wsconn

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/url"

	"github.com/moqlite/moqlite/transport"
	"github.com/moqlite/moqlite/transport/internal/qmux"
	"github.com/moqlite/moqlite/transport/internal/tlsalert"
)

// streamDrafts are the Qmux drafts that can run over TCP and TLS: their
// messages carry their size.
var streamDrafts = []qmux.Version{qmux.Version01, qmux.Version02}

// socket connects to u's host over TCP.
func (d *Dialer) socket(ctx context.Context, u *url.URL) (net.Conn, error) {
	if u.Port() == "" {
		return nil, dialError(transport.PhaseResolve, errors.New("the URL has no port, and its scheme has no default"))
	}
	raw, err := d.connect(ctx, "tcp", u.Host)
	if _, ok := errors.AsType[*net.DNSError](err); ok {
		return nil, dialError(transport.PhaseResolve, err)
	}
	if err != nil {
		return nil, dialError(transport.PhaseConnect, err)
	}
	return raw, nil
}

// dialTCP connects over TCP; Qmux negotiates the moq-lite version.
func (d *Dialer) dialTCP(ctx context.Context, t *transport.Target, protocols []string) (*qmux.Conn, error) {
	raw, err := d.socket(ctx, t.URL)
	if err != nil {
		return nil, err
	}
	return qmux.New(newTCPCarrier(raw, raw), qmux.Options{
		Version:   qmux.Version01,
		Client:    true,
		Config:    d.Config,
		Protocols: protocols,
		State:     transport.State{Transport: tcpName, Local: raw.LocalAddr(), Remote: raw.RemoteAddr(), URL: t.URL},
	}), nil
}

// dialTLS connects over TLS, whose ALPN negotiates the moq-lite version.
func (d *Dialer) dialTLS(ctx context.Context, t *transport.Target, protocols []string) (*qmux.Conn, error) {
	raw, err := d.socket(ctx, t.URL)
	if err != nil {
		return nil, err
	}
	// Dialling with TLS by itself would hide the TCP connection, which Close
	// needs.
	conn := tls.Client(raw, d.tlsConfig(t.URL.Hostname(), offers(protocols, streamDrafts)))
	if err := conn.HandshakeContext(ctx); err != nil {
		_ = raw.Close()
		return nil, handshakeError(err)
	}
	state := conn.ConnectionState()
	version, protocol, ok := qmux.ParseSubprotocol(state.NegotiatedProtocol)
	if !ok {
		_ = conn.Close()
		return nil, dialError(transport.PhaseNegotiate, fmt.Errorf("%w: the server chose none", transport.ErrNoCommonProtocol))
	}
	return qmux.New(newTCPCarrier(conn, raw), qmux.Options{
		Version: version,
		Client:  true,
		Config:  d.Config,
		State: transport.State{
			Protocol: protocol, Transport: tlsName, Local: raw.LocalAddr(), Remote: raw.RemoteAddr(), TLS: &state, URL: t.URL,
		},
	}), nil
}

// handshakeError makes the error of a failed TLS handshake.
func handshakeError(err error) error {
	if alert, ok := tlsalert.OverTCP(err); ok && alert == tlsalert.NoProtocol {
		return dialError(transport.PhaseNegotiate, fmt.Errorf("%w: %w", transport.ErrNoCommonProtocol, err))
	}
	return dialError(transport.PhaseTLS, tlsalert.MarkOverTCP(err))
}
