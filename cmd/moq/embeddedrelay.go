package main

import (
	"crypto/tls"
	"sync"

	"github.com/moqlite/moqlite/impl"
	"github.com/moqlite/moqlite/impl/devcert"
	"github.com/moqlite/moqlite/impl/relay"
)

// An embeddedRelay is a relay in this process, on the loopback interface.
//
// It has a development certificate, which the clients that it makes trust, so
// that bench and demo need no flags.
type embeddedRelay struct {
	o      *options
	addr   string
	trust  *tls.Config
	relay  *relay.Relay
	server *impl.Server
	served sync.WaitGroup
}

// embed starts a relay.
func (o *options) embed() (*embeddedRelay, error) {
	config, err := o.config()
	if err != nil {
		return nil, err
	}
	certificate, err := devcert.NewRotation()
	if err != nil {
		return nil, err
	}
	r := relay.New()
	r.Logger = o.logger()
	e := &embeddedRelay{o: o, trust: certificate.Trust(), relay: r, server: &impl.Server{
		Addr:      "127.0.0.1:0",
		TLSConfig: certificate.Config(),
		Config:    config, Logger: o.logger(), Mux: r.Mux(), Handler: r.Handler,
	}}
	addr, err := e.server.Listen()
	if err != nil {
		return nil, err
	}
	e.addr = addr.String()
	// Its error is that of the close, or is seen by every client.
	e.served.Go(func() { _ = e.server.ListenAndServe() })
	return e, nil
}

// client returns a client that trusts the relay.
func (e *embeddedRelay) client() (*impl.Client, error) {
	return &impl.Client{TLSConfig: e.trust, Config: e.server.Config, Logger: e.o.logger()}, nil
}

// shutDown ends the relay at once, and waits for its goroutines.
func (e *embeddedRelay) shutDown() {
	_ = e.server.Close()
	_ = e.relay.Close()
	e.served.Wait()
}
