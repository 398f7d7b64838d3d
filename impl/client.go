package impl

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log/slog"
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

// A Client dials sessions and ends them. The zero value is ready to use; its
// fields are never written to, and must not change after the first Dial. A
// client is used by reference, from any number of goroutines.
//
// The URL's scheme names the transport: https:// is WebTransport, and
// WebSocket where UDP does not get through (see [transport.Fallback]); moqt://
// and moql:// are native QUIC; wss:// and ws:// are WebSocket alone; tls:// and
// tcp:// are without HTTP; http:// is a development server, whose certificate
// is known by the fingerprint that it publishes.
type Client struct {
	// TLSConfig says whom to trust; nil: the system's roots. It is cloned, and
	// the protocols to negotiate are set.
	TLSConfig *tls.Config

	// QUICConfig is for QUIC and WebTransport; nil, and its zeros: defaults
	// tuned for live media ([quicconn.DefaultConfig]). A DialWebTransportFunc
	// brings its own. With Allow0RTT, and a ClientSessionCache in TLSConfig,
	// native QUIC sends early data to servers met before (see the package's
	// documentation).
	QUICConfig *quic.Config

	// Config sets up sessions; nil: the defaults.
	Config *api.Config

	// DialQUICFunc dials native QUIC; nil: over the client's own socket.
	DialQUICFunc quicconn.DialAddrFunc

	// DialWebTransportFunc dials WebTransport; nil: over the client's own
	// socket, with every generation of servers. With one, https:// is
	// WebTransport alone.
	DialWebTransportFunc wtconn.DialAddrFunc

	// Logger gets what no error tells; nil: silence.
	Logger *slog.Logger

	// Transport, if set, replaces TLSConfig, QUICConfig and both funcs: every
	// URL is dialled with it.
	Transport transport.Dialer

	once     sync.Once
	dialer   transport.Dialer
	sessions sessions
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

// DialWith is Dial with options for the transport. A Transport that is no
// [transport.TargetDialer] does not hear of them.
func (c *Client) DialWith(ctx context.Context, rawURL string, mux *api.TrackMux, o transport.DialOptions) (api.Session, error) {
	s, err := c.dial(ctx, rawURL, mux, o)
	if err != nil {
		return nil, err
	}
	return s, nil
}

func (c *Client) dial(ctx context.Context, rawURL string, mux *api.TrackMux, o transport.DialOptions) (*session.Session, error) {
	ctx, end, ok := c.sessions.begin(ctx, api.ErrClientClosed)
	if !ok {
		return nil, api.ErrClientClosed
	}
	defer end()
	t, err := transport.ParseURL(rawURL)
	if err != nil {
		return nil, session.DialError(transport.RedactURL(rawURL), err)
	}
	t.Options = o
	names, err := c.offer(t)
	if err != nil {
		return nil, &api.DialError{URL: t.String(), Phase: api.PhaseResolve, Err: err}
	}
	conn, err := transport.DialTarget(ctx, c.transport(), t, names)
	if err != nil {
		return nil, c.failed(ctx, t, err)
	}
	s, err := session.New(conn, session.Options{
		Config: c.Config,
		Hop:    c.identity.hop(c.Config),
		Mux:    orDefault(mux, api.DefaultTrackMux),
		Client: true,
		URL:    t.URL,
		Logger: logger(c.Logger),
	})
	if err != nil {
		return nil, &api.DialError{URL: t.String(), Transport: conn.State().Transport, Phase: api.PhaseNegotiate, Err: err}
	}
	if err := c.settle(ctx, s); err != nil {
		phase := api.PhaseSetup
		if errors.Is(err, transport.ErrUnauthorized) {
			phase = api.PhaseTLS // a server's refusal of a certificate comes late
		}
		return nil, c.failed(ctx, t, &transport.DialError{Transport: conn.State().Transport, Phase: transport.Phase(phase), Err: err})
	}
	return s, nil
}

// settle makes s the client's, once its peer has said who it is if that is
// waited for.
func (c *Client) settle(ctx context.Context, s *session.Session) error {
	var err error
	if c.Config != nil && c.Config.WaitForSetup {
		err = s.WaitForSetup(ctx)
	}
	if err == nil && ctx.Err() != nil {
		err = context.Cause(ctx)
	}
	if err == nil && !c.sessions.add(s) {
		err = api.ErrClientClosed
	}
	if err != nil {
		_ = s.Terminate(api.SessionNoError, "")
	}
	return err
}

// failed is the error of a dial.
func (c *Client) failed(ctx context.Context, t *transport.Target, err error) error {
	switch {
	case errors.Is(context.Cause(ctx), api.ErrClientClosed), errors.Is(err, api.ErrClientClosed):
		return api.ErrClientClosed
	case ctx.Err() != nil && !errors.Is(err, context.Cause(ctx)):
		err = &transport.DialError{Phase: transport.PhaseConnect, Err: fmt.Errorf("%w (%w)", context.Cause(ctx), err)}
	}
	return session.DialError(t.String(), err)
}

// offer picks the versions to offer for a target.
func (c *Client) offer(t *transport.Target) ([]string, error) {
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
		return nil, fmt.Errorf("%s:// has no place for a path or a query below %s: %w", t.Scheme.Name, api.Lite05, api.ErrNotSupported)
	}
	return names, nil
}

// transport is what the client dials with.
func (c *Client) transport() transport.Dialer {
	c.once.Do(func() {
		switch {
		case c.Transport != nil:
			c.dialer = c.Transport
		case c.DialWebTransportFunc != nil:
			c.dialer = c.byScheme()
		default:
			c.dialer = transport.WithFallback(c.byScheme())
		}
	})
	return c.dialer
}

// byScheme dials as the client's fields have it.
func (c *Client) byScheme() transport.ByScheme {
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

// NewTransport dials by the URL's scheme, as a [Client] without a Transport
// does, but without a fallback: that is [transport.WithFallback]. QUIC and
// WebTransport share one socket. Nil configs are the defaults. It is an
// io.Closer.
func NewTransport(tlsConfig *tls.Config, quicConfig *quic.Config) transport.ByScheme {
	c := &Client{TLSConfig: tlsConfig, QUICConfig: quicConfig}
	return c.byScheme()
}

// release frees the client's sockets.
func (c *Client) release() error {
	closer, ok := c.transport().(io.Closer)
	if !ok || c.Transport != nil {
		return nil
	}
	if err := closer.Close(); err != nil {
		return fmt.Errorf("close: %w", err)
	}
	return nil
}

// Close implements [api.Client].
func (c *Client) Close() error { return c.sessions.close(c.release) }

// Closed is closed when Close or Shutdown is called: from then on nothing can be
// dialled.
func (c *Client) Closed() <-chan struct{} { return c.sessions.stopped() }

// Shutdown implements [api.Client]. nil means that every subscription served
// was answered by its peer after its end, and that every group handed to the
// application was read or cancelled.
func (c *Client) Shutdown(ctx context.Context) error {
	return c.sessions.shutdown(ctx, api.ErrClientClosed, c.release)
}

// silent is the logger of who has none.
var silent = slog.New(slog.DiscardHandler)

func logger(l *slog.Logger) *slog.Logger { return cmp.Or(l, silent) }
