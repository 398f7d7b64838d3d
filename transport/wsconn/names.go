package wsconn

import (
	"errors"
	"time"

	"github.com/moqlite/moqlite/transport"
	"github.com/moqlite/moqlite/transport/internal/qmux"
)

// The Transport of the connections' State.
const (
	websocketName = transport.WebSocket
	tcpName       = transport.TCP
	tlsName       = transport.TLS
)

// setupTimeout bounds how long a server waits for a client's handshakes.
const setupTimeout = 10 * time.Second

// A Config has the flow control windows and stream limits that one side grants
// the other. Zero fields have defaults.
type Config = qmux.Config

// drafts are the Qmux drafts in order of preference. Every server supports the
// first; some refuse a request whose first offer is another one.
var drafts = []qmux.Version{qmux.Version01, qmux.Version02, qmux.Version00}

// offers returns the names under which protocols are negotiated, in order of
// preference.
func offers(protocols []string, versions []qmux.Version) []string {
	names := make([]string, 0, len(protocols)*len(versions))
	for _, p := range protocols {
		for _, v := range versions {
			names = append(names, v.Subprotocol(p))
		}
	}
	return names
}

// dialError makes the error of a dial that failed in a phase.
func dialError(phase transport.Phase, err error) *transport.DialError {
	return &transport.DialError{Phase: phase, Err: err}
}

// bindingError makes a DialError with the binding's name of any error. phase
// applies if err is not a DialError.
func bindingError(binding string, phase transport.Phase, err error) *transport.DialError {
	e := transport.DialError{Phase: phase, Err: err}
	if d, ok := errors.AsType[*transport.DialError](err); ok {
		e = *d
	}
	e.Transport = binding
	return &e
}
