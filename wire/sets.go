// Package wire holds the provider sets of github.com/google/wire from which
// applications build what package api names, and injectors made of them for
// those who need no set of their own.
//
// Every set has one input, [Options], so that another transport is another
// word:
//
//	func newApp(o moqwire.Options) (*App, func(), error) {
//		panic(gwire.Build(NewApp, moqwire.Client, moqwire.QUIC))
//	}
//
// The sets and what they give:
//
//	Client        api.Client, api.Dialer and a cleanup that closes the client; needs a transport.Dialer
//	Server        api.Server of all transports, and a cleanup that closes the server; needs nothing else
//	MemoryServer  the same, listening in Options.Network
//	QUIC          transport.Dialer for moqt:// and moql://
//	WebTransport  transport.Dialer for https://, and http:// for development servers
//	Memory        transport.Dialer for any URL, within Options.Network
//	WebSocket     transport.Dialer for wss:// and ws://, and tls:// and tcp:// without HTTP
//	ByScheme      transport.Dialer that picks one of these, but for Memory, by the URL's scheme
//	WithFallback  the same, with WebSocket where UDP does not let WebTransport through
//
// A relay is a server whose Mux and Handler are those of a relay.Relay: see the
// example.
package wire

import (
	"crypto/tls"
	"errors"
	"io"
	"log/slog"

	gwire "github.com/google/wire"
	"github.com/quic-go/quic-go"

	"github.com/moqlite/moqlite/api"
	"github.com/moqlite/moqlite/impl"
	"github.com/moqlite/moqlite/transport"
	"github.com/moqlite/moqlite/transport/memconn"
	"github.com/moqlite/moqlite/transport/quicconn"
	"github.com/moqlite/moqlite/transport/wsconn"
	"github.com/moqlite/moqlite/transport/wtconn"
)

// Options are the input of every set. The zero value is all defaults; a set
// looks at the fields that concern it.
type Options struct {
	// TLSConfig says whom a client trusts, and holds a server's certificate. Nil:
	// the system's roots; a certificate for development. Memory has no TLS.
	TLSConfig *tls.Config

	// QUICConfig is for QUIC and WebTransport; nil, and its zeros:
	// [quicconn.DefaultConfig].
	QUICConfig *quic.Config

	// Config sets up sessions; nil: the defaults.
	Config *api.Config

	// Logger gets what no error tells; nil: silence.
	Logger *slog.Logger

	// Network is where Memory dials and MemoryServer listens; nil is a network
	// of its own, in which there is nobody else.
	Network *memconn.Network

	// Addr is where Server listens, as host:port; an empty host is all
	// addresses, and port 0 (or an empty Addr) any free one.
	Addr string

	// Host is the host of Network that MemoryServer is.
	Host string

	// Mux is what a server's peers may subscribe to; nil:
	// [api.DefaultTrackMux]. A client is given its mux by Dial.
	Mux *api.TrackMux

	// Handler is told of each session that a server has let in, in a goroutine
	// of its own; the session lives on when it returns. Nil: none.
	Handler func(api.Session)

	// Origins are the web pages that may connect to Server, as
	// scheme://host[:port]; nil: any. Nobody connects in memory from a web page.
	Origins []string
}

// The sets; see the package's documentation for what each gives.
var (
	// Client gives an api.Client, which is the api.Dialer too, and needs a
	// transport.Dialer.
	Client = gwire.NewSet(ProvideClient, gwire.Bind(new(api.Dialer), new(api.Client)))
	// Server gives an api.Server of all transports.
	Server = gwire.NewSet(ProvideServer)
	// MemoryServer gives an api.Server in Options.Network.
	MemoryServer = gwire.NewSet(ProvideMemoryServer)
	// QUIC gives the transport.Dialer of native QUIC.
	QUIC = gwire.NewSet(ProvideQUIC)
	// WebTransport gives the transport.Dialer of WebTransport.
	WebTransport = gwire.NewSet(ProvideWebTransport)
	// Memory gives the transport.Dialer within Options.Network.
	Memory = gwire.NewSet(ProvideMemory)
	// WebSocket gives the transport.Dialer of WebSocket, TLS and TCP.
	WebSocket = gwire.NewSet(ProvideWebSocket)
	// ByScheme gives a transport.Dialer of all transports over the network.
	ByScheme = gwire.NewSet(ProvideByScheme)
	// WithFallback gives ByScheme's, with WebSocket where UDP does not get
	// through.
	WithFallback = gwire.NewSet(ProvideWithFallback)
)

// ProvideQUIC dials native QUIC, over a socket of its own.
func ProvideQUIC(o Options) transport.Dialer {
	return &quicconn.Dialer{TLSConfig: o.TLSConfig, QUICConfig: o.QUICConfig}
}

// ProvideWebTransport dials WebTransport, over a socket of its own.
func ProvideWebTransport(o Options) transport.Dialer {
	return &wtconn.Dialer{TLSConfig: o.TLSConfig, QUICConfig: o.QUICConfig}
}

// ProvideMemory dials within o.Network, whatever the URL's scheme.
func ProvideMemory(o Options) transport.Dialer {
	if o.Network == nil {
		return new(memconn.Network)
	}
	return o.Network
}

// ProvideWebSocket dials WebSocket, and TLS and TCP without HTTP.
func ProvideWebSocket(o Options) transport.Dialer {
	return &wsconn.Dialer{TLSConfig: o.TLSConfig}
}

// ProvideByScheme dials by the URL's scheme; QUIC and WebTransport share a
// socket.
func ProvideByScheme(o Options) transport.Dialer {
	return impl.NewTransport(o.TLSConfig, o.QUICConfig)
}

// ProvideWithFallback is ProvideByScheme for networks that may not let UDP
// through: see [transport.Fallback].
func ProvideWithFallback(o Options) transport.Dialer {
	return transport.WithFallback(impl.NewTransport(o.TLSConfig, o.QUICConfig))
}

// ProvideClient makes a client that dials with d, and a cleanup that closes
// both.
func ProvideClient(d transport.Dialer, o Options) (api.Client, func()) {
	c := &impl.Client{Transport: d, Config: o.Config, Logger: o.Logger}
	return c, func() {
		_ = c.Close()
		if closer, ok := d.(io.Closer); ok {
			_ = closer.Close()
		}
	}
}

// ProvideServer makes a server of all transports at o.Addr, and a cleanup that
// closes it.
func ProvideServer(o Options) (api.Server, func()) {
	s := &impl.Server{
		Addr: o.Addr, TLSConfig: o.TLSConfig, QUICConfig: o.QUICConfig,
		Config: o.Config, Logger: o.Logger, Mux: o.Mux, Handler: o.Handler, Origins: o.Origins,
	}
	return s, func() { _ = s.Close() }
}

// ProvideMemoryServer makes a server at o.Host in o.Network, and a cleanup that
// closes it.
func ProvideMemoryServer(o Options) (api.Server, func()) {
	s := &impl.Server{Config: o.Config, Logger: o.Logger, Mux: o.Mux, Handler: o.Handler}
	s.ListenFunc = func(protocols []string) (transport.Listener, error) {
		if o.Network == nil {
			return nil, errors.New("a server in memory needs Options.Network, where its clients dial")
		}
		return o.Network.Listen(o.Host, protocols, nil)
	}
	return s, func() { _ = s.Close() }
}
