package wsconn

import (
	"errors"
	"time"

	"github.com/moqlite/moqlite/transport"
	"github.com/moqlite/moqlite/transport/internal/qmux"
)

// What transport.State calls the bindings.
const (
	websocketName = transport.WebSocket
	tcpName       = transport.TCP
	tlsName       = transport.TLS
)

// setupTimeout bounds what a server waits for a client to say what it speaks.
const setupTimeout = 10 * time.Second

// A Config is what a side grants the other: windows and stream limits. Zeros
// are the defaults.
type Config = qmux.Config

// drafts are those of Qmux, the most wanted first. Every server has the first;
// some refuse a request that begins with another.
var drafts = []qmux.Version{qmux.Version01, qmux.Version02, qmux.Version00}

// offers are the names to negotiate protocols by, the most wanted first.
func offers(protocols []string, versions []qmux.Version) []string {
	names := make([]string, 0, len(protocols)*len(versions))
	for _, p := range protocols {
		for _, v := range versions {
			names = append(names, v.Subprotocol(p))
		}
	}
	return names
}

// failure is an error in a phase of a dial.
func failure(phase transport.Phase, err error) *transport.DialError {
	return &transport.DialError{Phase: phase, Err: err}
}

// named makes of any error a DialError of a binding, in phase unless it says
// otherwise.
func named(binding string, phase transport.Phase, err error) *transport.DialError {
	e := transport.DialError{Phase: phase, Err: err}
	if d, ok := errors.AsType[*transport.DialError](err); ok {
		e = *d
	}
	e.Transport = binding
	return &e
}
