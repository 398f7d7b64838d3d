package impl

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"slices"
	"sync"

	"github.com/quic-go/quic-go"

	"github.com/moqlite/moqlite/api"
	"github.com/moqlite/moqlite/impl/internal/session"
	"github.com/moqlite/moqlite/impl/redial"
	"github.com/moqlite/moqlite/transport"
	"github.com/moqlite/moqlite/transport/quicconn"
	"github.com/moqlite/moqlite/transport/wsconn"
	"github.com/moqlite/moqlite/transport/wtconn"
)

// A Client dials sessions, and closes them when it is closed. The zero value
// is ready to use. The client never writes to its exported fields, which must
// not change after the first Dial. All methods may be called concurrently; a
// Client must not be copied.
//
// The scheme of the URL selects the transport: https:// is WebTransport, or
// WebSocket where the network blocks UDP (see [transport.Fallback]); moqt://
// and moql:// are native QUIC; wss:// and ws:// are WebSocket; tls:// and
// tcp:// are TLS and TCP without HTTP; http:// is WebTransport to a
// development server, whose certificate is pinned by the fingerprint that the
// server publishes.
type Client struct {
	// TLSConfig determines which certificates are trusted. Each dial uses a
	// copy with its own protocols. Nil: the certificate roots of the system.
	TLSConfig *tls.Config

	// QUICConfig is the configuration of QUIC and WebTransport connections.
	// Nil, and zero fields, mean the values of [quicconn.DefaultConfig], which
	// are tuned for live media. It does not apply to connections that
	// DialWebTransportFunc makes. With Allow0RTT, and a ClientSessionCache in
	// TLSConfig, native QUIC sends early data (0-RTT) to servers that the
	// client has connected to before (see the package's documentation).
	QUICConfig *quic.Config

	// Config has the settings of sessions. Nil: the defaults.
	Config *api.Config

	// DialQUICFunc dials native QUIC. Nil: the client dials over its own
	// socket.
	DialQUICFunc quicconn.DialAddrFunc

	// DialWebTransportFunc dials WebTransport. Nil: the client dials over its
	// own socket, and supports servers of every WebTransport draft. If set,
	// https:// does not fall back to WebSocket.
	DialWebTransportFunc wtconn.DialAddrFunc

	// Header is sent with the HTTP request of WebTransport and WebSocket; other
	// transports ignore it. It may hold credentials: no log or error shows its
	// values. It goes to every URL that is dialled, but not where a server
	// redirects to, unless that is the same origin. A field that the request
	// sets by itself, such as Host or Sec-WebSocket-Key, is an error of the
	// dial.
	Header http.Header

	// Logger gets what no error reports. At Info, "session began" and "session
	// ended", with how long it lasted, the bytes and the cause, also after an
	// orderly close; at Debug the requests of both ends, what is refused with its
	// code, and announcements that are dropped, with the reason; nothing for a group
	// or a frame. All lines of a session have the attribute "session", its
	// [api.SessionState].ID. URLs are logged without their queries, which may hold
	// tokens. A dial that fails is an error, and not logged. Nil: nothing is logged.
	Logger *slog.Logger

	// Transport, if set, dials every URL, and the fields TLSConfig,
	// QUICConfig, DialQUICFunc and DialWebTransportFunc are not used. The
	// client does not close it.
	Transport transport.Dialer

	once     sync.Once
	dialer   transport.Dialer
	sessions sessionSet
	identity identity
}

var (
	_ api.Client           = (*Client)(nil)
	_ redial.OptionsDialer = (*Client)(nil)
)

// Dial implements [api.Dialer].
func (c *Client) Dial(ctx context.Context, rawURL string, mux *api.TrackMux) (api.Session, error) {
	return c.DialWith(ctx, rawURL, mux, transport.DialOptions{})
}

// DialWith is like Dial, with options for the transport. If o.Header is nil, it
// is the client's. A Transport that is not a [transport.TargetDialer] gets no
// options, and no header.
func (c *Client) DialWith(ctx context.Context, rawURL string, mux *api.TrackMux, o transport.DialOptions) (api.Session, error) {
	s, err := c.dial(ctx, rawURL, mux, o)
	if err != nil {
		return nil, err
	}
	return s, nil
}

func (c *Client) dial(ctx context.Context, rawURL string, mux *api.TrackMux, o transport.DialOptions) (*session.Session, error) {
	ctx, end, ok := c.sessions.beginOpening(ctx, api.ErrClientClosed)
	if !ok {
		return nil, api.ErrClientClosed
	}
	defer end()
	t, err := transport.ParseURL(rawURL)
	if err != nil {
		return nil, dialError(transport.RedactURL(rawURL), err)
	}
	if o.Header == nil && !o.OtherOrigin {
		o.Header = c.Header
	}
	t.Options = o
	names, err := c.versionsFor(t)
	if err != nil {
		return nil, &api.DialError{URL: t.String(), Phase: api.PhaseResolve, Err: err}
	}
	conn, err := transport.DialTarget(ctx, c.dialTransport(), t, names)
	if err != nil {
		return nil, c.dialError(ctx, t, err)
	}
	s, err := session.New(conn, session.Options{
		Config: c.Config,
		Hop:    c.identity.sessionHop(c.Config),
		Mux:    cmp.Or(mux, api.DefaultTrackMux),
		Client: true,
		URL:    t.URL,
		Logger: orDiscard(c.Logger),
	})
	if err != nil {
		return nil, &api.DialError{URL: t.String(), Transport: conn.State().Transport, Phase: api.PhaseNegotiate, Err: err}
	}
	if err := c.registerSession(ctx, s); err != nil {
		phase := api.PhaseSetup
		if errors.Is(err, transport.ErrUnauthorized) {
			phase = api.PhaseTLS // a server rejects a certificate after the handshake
		}
		return nil, c.dialError(ctx, t, &transport.DialError{Transport: conn.State().Transport, Phase: transport.Phase(phase), Err: err})
	}
	return s, nil
}

// registerSession registers s with the client. With Config.WaitForSetup it
// first waits for the peer's SETUP. If it fails, it terminates s.
func (c *Client) registerSession(ctx context.Context, s *session.Session) error {
	var err error
	if c.Config != nil && c.Config.WaitForSetup {
		err = s.WaitForSetup(ctx)
	}
	if err == nil && ctx.Err() != nil {
		err = context.Cause(ctx)
	}
	if err == nil && !c.sessions.addSession(s, nil) {
		err = api.ErrClientClosed
	}
	if err != nil {
		_ = s.Terminate(api.SessionNoError, "")
	}
	return err
}

// dialError makes the error of a dial.
func (c *Client) dialError(ctx context.Context, t *transport.Target, err error) error {
	switch {
	case errors.Is(context.Cause(ctx), api.ErrClientClosed), errors.Is(err, api.ErrClientClosed):
		return api.ErrClientClosed
	case ctx.Err() != nil && !errors.Is(err, context.Cause(ctx)):
		err = &transport.DialError{Phase: transport.PhaseConnect, Err: fmt.Errorf("%w (%w)", context.Cause(ctx), err)}
	}
	return dialError(t.String(), err)
}

// versionsFor returns the versions to offer for a target: if the URL has a path
// that the transport does not carry, only those whose SETUP does.
func (c *Client) versionsFor(t *transport.Target) ([]string, error) {
	if err := c.Config.Validate(); err != nil {
		return nil, err
	}
	names := protocols(c.Config)
	if len(names) == 0 {
		return nil, errNoVersions
	}
	if u := t.URL; t.Scheme.CarriesPath || (u.Path == "" || u.Path == "/") && u.RawQuery == "" {
		return names, nil
	}
	names = slices.DeleteFunc(names, func(name string) bool { return !session.CarriesPath(name) })
	if len(names) == 0 {
		return nil, fmt.Errorf("%s:// carries a path or a query only from %s on: %w", t.Scheme.Name, api.Lite05, api.ErrNotSupported)
	}
	return names, nil
}

// dialTransport returns the dialer of the client, which it makes when first
// called.
func (c *Client) dialTransport() transport.Dialer {
	c.once.Do(func() {
		switch {
		case c.Transport != nil:
			c.dialer = c.Transport
		case c.DialWebTransportFunc != nil:
			c.dialer = c.newDialers()
		default:
			c.dialer = transport.WithFallback(c.newDialers())
		}
	})
	return c.dialer
}

// newDialers makes the dialers for the client's fields.
func (c *Client) newDialers() transport.ByScheme {
	endpoint := &quicconn.Endpoint{Logger: c.Logger}
	native := &quicconn.Dialer{Endpoint: endpoint, TLSConfig: c.TLSConfig, QUICConfig: c.QUICConfig, DialAddr: c.DialQUICFunc}
	web := &wtconn.Dialer{Endpoint: endpoint, TLSConfig: c.TLSConfig, QUICConfig: c.QUICConfig, DialAddr: c.DialWebTransportFunc}
	tcp := &wsconn.Dialer{TLSConfig: c.TLSConfig}
	return transport.ByBinding(map[string]transport.Dialer{
		transport.QUIC:         native,
		transport.WebTransport: web,
		transport.WebSocket:    tcp,
		transport.TLS:          tcp,
		transport.TCP:          tcp,
	})
}

// NewTransport returns the dialers that a [Client] without a Transport uses,
// by the scheme of the URL, but without a fallback; add that with
// [transport.WithFallback]. QUIC and WebTransport share one socket. Nil
// configs mean the defaults. Close releases the sockets.
func NewTransport(tlsConfig *tls.Config, quicConfig *quic.Config) transport.ByScheme {
	c := &Client{TLSConfig: tlsConfig, QUICConfig: quicConfig}
	return c.newDialers()
}

// closeSockets closes the client's sockets.
func (c *Client) closeSockets() error {
	closer, ok := transport.As[io.Closer](c.dialTransport())
	if !ok || c.Transport != nil {
		return nil
	}
	if err := closer.Close(); err != nil {
		return fmt.Errorf("close: %w", err)
	}
	return nil
}

// Close implements [api.Client].
func (c *Client) Close() error { return c.sessions.closeAll(c.closeSockets) }

// Closed returns a channel that is closed when Close or Shutdown is called.
// From then on Dial fails.
func (c *Client) Closed() <-chan struct{} { return c.sessions.drainingStarted() }

// SessionLogger returns Logger, for package redial, whose sessions log by it too.
func (c *Client) SessionLogger() *slog.Logger { return c.Logger }

// Shutdown implements [api.Client]. It returns nil when the peer of every
// subscription that the client served has answered the end of it, and the
// application has read or cancelled every group that it was given.
func (c *Client) Shutdown(ctx context.Context) error {
	return c.sessions.drainAll(ctx, api.ErrClientClosed, nothingElse, c.closeSockets)
}

// nothingElse is what has to be finished of a client besides its sessions.
func nothingElse(context.Context) error { return nil }

// discardLogger is the logger used in place of nil.
var discardLogger = slog.New(slog.DiscardHandler)

func orDiscard(l *slog.Logger) *slog.Logger { return cmp.Or(l, discardLogger) }
