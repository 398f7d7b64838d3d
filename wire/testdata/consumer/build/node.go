package build

import (
	"github.com/moqlite/moqlite/api"
	"github.com/moqlite/moqlite/impl/relay"
	moqwire "github.com/moqlite/moqlite/wire"
)

// A Node is a relay and the server that it is reached by.
type Node struct {
	Server api.Server
	Relay  *relay.Relay
}

// Base are the options of a node that do not come from its relay.
type Base moqwire.Options

// served are the options of a server of r.
func served(b Base, r *relay.Relay) moqwire.Options {
	o := moqwire.Options(b)
	o.Mux, o.Handler = r.Mux(), r.Handler
	return o
}
