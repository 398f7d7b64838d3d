// Package testrelay has a relay in memory that can be restarted, for the tests of
// the programs.
package testrelay

import (
	"testing"

	"github.com/moqlite/moqlite/api"
	"github.com/moqlite/moqlite/impl/relay"
	"github.com/moqlite/moqlite/transport/memconn"
	"github.com/moqlite/moqlite/wire"
)

// URL is where the relay is.
const URL = "https://relay.example.com"

// A Relay is a relay and the network that it is in.
type Relay struct {
	t       *testing.T
	options wire.Options
	stop    func()
}

// New starts a relay; the test stops it.
func New(t *testing.T) *Relay {
	r := &Relay{t: t, options: wire.Options{Network: new(memconn.Network), Host: "relay.example.com"}}
	r.Start()
	t.Cleanup(r.Stop)
	return r
}

// Start starts it again after a Stop, without anything of what it knew.
func (r *Relay) Start() {
	r.t.Helper()
	node, options := relay.New(), r.options
	options.Mux, options.Handler = node.Mux(), node.Handler
	server, closeServer := wire.NewMemoryServer(options)
	if _, err := server.Listen(); err != nil {
		r.t.Fatal(err)
	}
	go func() { _ = server.ListenAndServe() }()
	r.stop = func() { closeServer(); node.Close() }
}

// Stop ends all its sessions at once.
func (r *Relay) Stop() { r.stop() }

// Client returns a client, which the test closes.
func (r *Relay) Client() api.Client {
	client, cleanup := wire.NewMemoryClient(r.options)
	r.t.Cleanup(cleanup)
	return client
}
