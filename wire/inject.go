//go:build wireinject

package wire

import (
	gwire "github.com/google/wire"

	"github.com/moqlite/moqlite/api"
	"github.com/moqlite/moqlite/transport"
)

// NewClient makes a client that picks the transport by each URL's scheme, and
// falls back to WebSocket where UDP does not get through.
func NewClient(o Options) (api.Client, func()) {
	panic(gwire.Build(ProvideClient, WithFallback))
}

// NewQUICClient makes a client of native QUIC.
func NewQUICClient(o Options) (api.Client, func()) {
	panic(gwire.Build(ProvideClient, QUIC))
}

// NewWebTransportClient makes a client of WebTransport.
func NewWebTransportClient(o Options) (api.Client, func()) {
	panic(gwire.Build(ProvideClient, WebTransport))
}

// NewWebSocketClient makes a client of WebSocket.
func NewWebSocketClient(o Options) (api.Client, func()) {
	panic(gwire.Build(ProvideClient, WebSocket))
}

// NewMemoryClient makes a client within o.Network.
func NewMemoryClient(o Options) (api.Client, func()) {
	panic(gwire.Build(ProvideClient, Memory))
}

// NewClientWith makes a client of any transport: a mock, or one of your own.
func NewClientWith(d transport.Dialer, o Options) (api.Client, func()) {
	panic(gwire.Build(ProvideClient))
}

// NewServer makes a server of all transports.
func NewServer(o Options) (api.Server, func()) {
	panic(gwire.Build(Server))
}

// NewMemoryServer makes a server within o.Network.
func NewMemoryServer(o Options) (api.Server, func()) {
	panic(gwire.Build(MemoryServer))
}
