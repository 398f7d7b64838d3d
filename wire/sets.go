// Package wire has provider sets of github.com/google/wire for the interfaces
// of package api, and injectors made of them for applications that need no set
// of their own.
//
// Every set has the same input, [Options], so that an application changes its
// transport by naming another set:
//
//	func newApp(o moqwire.Options) (*App, func(), error) {
//		panic(gwire.Build(NewApp, moqwire.Client, moqwire.QUIC))
//	}
//
// The sets and what they provide:
//
//	Client        api.Client, api.Dialer and a cleanup that closes the client; needs a transport.Dialer
//	Server        api.Server for all transports, and a cleanup that closes the server; needs nothing else
//	MemoryServer  the same, listening in Options.Network
//	QUIC          transport.Dialer for moqt:// and moql://
//	WebTransport  transport.Dialer for https://, and http:// for development servers
//	Memory        transport.Dialer for any URL, within Options.Network
//	WebSocket     transport.Dialer for wss:// and ws://, and tls:// and tcp:// without HTTP
//	ByScheme      transport.Dialer that selects one of these, except Memory, by the URL's scheme
//	WithFallback  the same, with WebSocket where the network blocks UDP
//
// A relay is a server whose Mux and Handler are those of a relay.Relay: see
// the example.
package wire

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"slices"

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

// Options are the input of every set. The zero value means all defaults. A set
// uses only the fields that concern it.
type Options struct {
	// TLSConfig determines which certificates a client trusts, and has the
	// certificate of a server. Nil: the certificate roots of the system, and a
	// development certificate. Memory uses no TLS.
	TLSConfig *tls.Config

	// QUICConfig is the configuration of QUIC and WebTransport connections.
	// Nil, and zero fields, mean the values of [quicconn.DefaultConfig].
	QUICConfig *quic.Config

	// Config has the settings of sessions. Nil: the defaults.
	Config *api.Config

	// Logger gets what no error reports; see [impl.Server] and [impl.Client]. Nil:
	// nothing is logged.
	Logger *slog.Logger

	// Header is sent with a client's HTTP requests of WebTransport and
	// WebSocket; other transports ignore it. See [impl.Client].
	Header http.Header

	// Network is where Memory dials and MemoryServer listens. Nil: Memory
	// makes an empty network, and MemoryServer fails to listen.
	Network *memconn.Network

	// Addr is where Server listens, as host:port. An empty host means all
	// addresses; port 0, or an empty Addr, means any free port.
	Addr string

	// Host is the host in Network at which MemoryServer listens.
	Host string

	// Mux has the tracks that a server's peers may subscribe to. Nil:
	// [api.DefaultTrackMux]. A client's mux is an argument of Dial.
	Mux *api.TrackMux

	// Handler is called with each session that a server has accepted, in a
	// goroutine of its own. The session lives on when Handler returns. Nil: no
	// call.
	Handler func(api.Session)

	// Admit decides what each session of a server may do: see impl.Server. Nil:
	// every session may do everything.
	Admit func(ctx context.Context, r api.AdmitRequest) (api.Grant, error)

	// HTTP answers the requests that a server gets and that are for no session:
	// see impl.Server. A MemoryServer gets them by its ServeHTTP alone. Nil:
	// there are no pages.
	HTTP http.Handler

	// Origins are the web origins whose pages may connect to Server, as
	// scheme://host[:port]. Nil: all may. MemoryServer does not use them.
	Origins []string

	// Decorate wraps the dialer of every client, as [transport.Observe] does
	// or a dialer of your own. A wrapper should be a [transport.TargetDialer],
	// since a plain dialer drops the options of a dial, and its connections
	// should have a method Unwrap: see [transport.As]. The dialer that it is
	// given is closed with the client, and so is what it returns if that is an
	// [io.Closer]. Nil: none.
	Decorate func(transport.Dialer) transport.Dialer
}

// The sets; see the package's documentation for what each gives.
var (
	// Client provides an api.Client, which is the api.Dialer too, and needs a
	// transport.Dialer.
	Client = gwire.NewSet(ProvideClient, gwire.Bind(new(api.Dialer), new(api.Client)))
	// Server provides an api.Server for all transports.
	Server = gwire.NewSet(ProvideServer)
	// MemoryServer provides an api.Server in Options.Network.
	MemoryServer = gwire.NewSet(ProvideMemoryServer)
	// QUIC provides the transport.Dialer of native QUIC.
	QUIC = gwire.NewSet(ProvideQUIC)
	// WebTransport provides the transport.Dialer of WebTransport.
	WebTransport = gwire.NewSet(ProvideWebTransport)
	// Memory provides the transport.Dialer within Options.Network.
	Memory = gwire.NewSet(ProvideMemory)
	// WebSocket provides the transport.Dialer of WebSocket, TLS and TCP.
	WebSocket = gwire.NewSet(ProvideWebSocket)
	// ByScheme provides a transport.Dialer for all transports except Memory.
	ByScheme = gwire.NewSet(ProvideByScheme)
	// WithFallback provides the dialer of ByScheme, with WebSocket where the
	// network blocks UDP.
	WithFallback = gwire.NewSet(ProvideWithFallback)
)

// ProvideQUIC returns a dialer for native QUIC, with a socket of its own.
func ProvideQUIC(o Options) transport.Dialer {
	return &quicconn.Dialer{TLSConfig: o.TLSConfig, QUICConfig: o.QUICConfig}
}

// ProvideWebTransport returns a dialer for WebTransport, with a socket of its
// own.
func ProvideWebTransport(o Options) transport.Dialer {
	return &wtconn.Dialer{TLSConfig: o.TLSConfig, QUICConfig: o.QUICConfig}
}

// ProvideMemory returns a dialer within o.Network that serves every scheme.
func ProvideMemory(o Options) transport.Dialer {
	if o.Network == nil {
		return new(memconn.Network)
	}
	return o.Network
}

// ProvideWebSocket returns a dialer for WebSocket, and for TLS and TCP without
// HTTP.
func ProvideWebSocket(o Options) transport.Dialer {
	return &wsconn.Dialer{TLSConfig: o.TLSConfig}
}

// ProvideByScheme returns a dialer that selects the transport by the URL's
// scheme. QUIC and WebTransport share a socket.
func ProvideByScheme(o Options) transport.Dialer {
	return impl.NewTransport(o.TLSConfig, o.QUICConfig)
}

// ProvideWithFallback returns the dialer of ProvideByScheme with a fallback
// for networks that block UDP: see [transport.Fallback].
func ProvideWithFallback(o Options) transport.Dialer {
	return transport.WithFallback(impl.NewTransport(o.TLSConfig, o.QUICConfig))
}

// ProvideClient returns a client that dials with d, decorated by o.Decorate, and
// a cleanup that closes client and dialers.
func ProvideClient(d transport.Dialer, o Options) (api.Client, func()) {
	dialers := []transport.Dialer{d}
	if o.Decorate != nil {
		dialers = append(dialers, o.Decorate(d))
	}
	c := &impl.Client{Transport: dialers[len(dialers)-1], Config: o.Config, Header: o.Header, Logger: o.Logger}
	return c, func() {
		_ = c.Close()
		for _, d := range slices.Backward(dialers) { // what wraps another may still use it
			if closer, ok := transport.As[io.Closer](d); ok {
				_ = closer.Close()
			}
		}
	}
}

// ProvideServer returns a server for all transports at o.Addr, and a cleanup
// that closes it.
func ProvideServer(o Options) (api.Server, func()) {
	s := &impl.Server{
		Addr: o.Addr, TLSConfig: o.TLSConfig, QUICConfig: o.QUICConfig,
		Config: o.Config, Logger: o.Logger, Mux: o.Mux, Handler: o.Handler, Admit: o.Admit, HTTP: o.HTTP, Origins: o.Origins,
	}
	return s, func() { _ = s.Close() }
}

// ProvideMemoryServer returns a server at o.Host in o.Network, and a cleanup
// that closes it.
func ProvideMemoryServer(o Options) (api.Server, func()) {
	s := &impl.Server{Config: o.Config, Logger: o.Logger, Mux: o.Mux, Handler: o.Handler, Admit: o.Admit, HTTP: o.HTTP}
	s.ListenFunc = func(protocols []string) (transport.Listener, error) {
		if o.Network == nil {
			return nil, errors.New("a server in memory needs Options.Network, where its clients dial")
		}
		return o.Network.Listen(o.Host, protocols, nil)
	}
	return s, func() { _ = s.Close() }
}
