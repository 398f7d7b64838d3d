//go:build wireinject

package build

import (
	gwire "github.com/google/wire"
	"github.com/moqlite/moqlite/impl/relay"
	moqwire "github.com/moqlite/moqlite/wire"

	"example.com/consumer/recorder"
)

// OverQUIC records over native QUIC.
func OverQUIC(o moqwire.Options, sink recorder.Sink, s Settings) (*recorder.Recorder, func()) {
	panic(gwire.Build(newRecorder, moqwire.Client, moqwire.QUIC))
}

// OverWebTransport records over WebTransport.
func OverWebTransport(o moqwire.Options, sink recorder.Sink, s Settings) (*recorder.Recorder, func()) {
	panic(gwire.Build(newRecorder, moqwire.Client, moqwire.WebTransport))
}

// ByScheme records over what the URL's scheme says.
func ByScheme(o moqwire.Options, sink recorder.Sink, s Settings) (*recorder.Recorder, func()) {
	panic(gwire.Build(newRecorder, moqwire.Client, moqwire.ByScheme))
}

// InMemory records without a network.
func InMemory(o moqwire.Options, sink recorder.Sink, s Settings) (*recorder.Recorder, func()) {
	panic(gwire.Build(newRecorder, moqwire.Client, moqwire.Memory))
}

// Relayed is a relay on the network.
func Relayed(b Base) (*Node, func()) {
	panic(gwire.Build(gwire.Struct(new(Node), "*"), relay.New, served, moqwire.Server))
}

// RelayedInMemory is a relay without a network.
func RelayedInMemory(b Base) (*Node, func()) {
	panic(gwire.Build(gwire.Struct(new(Node), "*"), relay.New, served, moqwire.MemoryServer))
}
