// Package transporttest is the suite that proves an implementation of
// [transport.Conn]: [TestConn] runs every promise of the contract as a subtest
// of its own. [NoLeaks] is of use to any test that starts goroutines, and a
// [Cable] to any whose connections break.
//
// A minimal use:
//
//	func TestTransport(t *testing.T) {
//		transporttest.TestConn(t, transporttest.Options{Pair: pair})
//	}
package transporttest

import (
	"testing"
	"testing/synctest"

	"github.com/moqlite/moqlite/transport"
)

// Options tell [TestConn] how to make connections, and what these can do. Cases
// whose maker is nil are left out, and so are those of abilities that Client,
// Server and Dialer do not name.
//
// What a maker starts, it ends in t.Cleanup. The suite closes the connections
// themselves first, without waiting for either end to notice.
type Options struct {
	// Pair makes both ends of a new connection, with the implementation's
	// ordinary limits. Required.
	Pair func(t *testing.T) (client, server transport.Conn)

	// Small makes a pair on which either end grants the other at most 32
	// streams of each kind at once (but at least 2), at most 1 MiB unread on a
	// stream, and on the connection at least twice what it grants on a stream.
	Small func(t *testing.T) (client, server transport.Conn)

	// Cut makes a pair, and what breaks it as a network or a proxy does: neither
	// end closes.
	Cut func(t *testing.T) (client, server transport.Conn, cut func())

	// Listen makes a listener for protocols, and what reaches it.
	Listen func(t *testing.T, protocols []string) Endpoint

	// Client and Server are the abilities of both ends of a Pair, and Dialer
	// those of Listen's dialer. One that is named and missing is a failure, and
	// so is one that is there and not named: its cases would not run.
	Client, Server, Dialer []Ability

	// Bubble runs every case in a synctest bubble: the implementation does no
	// real I/O, and a deadlock fails at once.
	Bubble bool

	// Parallel runs the cases beside each other, which wait for the most part.
	// The test that calls TestConn must not be parallel itself. Not with Bubble.
	Parallel bool
}

// An Endpoint is a listener and the way to it.
type Endpoint struct {
	// Listener accepts what is dialled; the suite closes it.
	Listener transport.Listener

	// Dialer reaches Listener.
	Dialer transport.Dialer

	// URL leads to Listener.
	URL string

	// DeadURL leads to where nothing listens. Empty: not tried.
	DeadURL string

	// SilentURL leads to where a dial hangs until its context ends. Empty: not
	// tried.
	SilentURL string
}

// A connCase is one promise of a connection. It runs with the client as a and
// the server as b and, if it is not symmetric, the other way round too; not
// where one of these has not the ability that the case takes.
type connCase struct {
	name      string
	symmetric bool
	a, b      Ability
	run       func(t *testing.T, a, b transport.Conn)
}

// A dialCase is one promise of a dialer and its listener.
type dialCase struct {
	name  string
	needs Ability // of the dialer
	run   func(t *testing.T, e Endpoint)
}

// TestConn proves an implementation: each promise is a subtest, and no goroutine
// is left in the end.
func TestConn(t *testing.T, o Options) {
	t.Helper()
	if o.Parallel {
		NoLeaks(t)
	}
	o.leaf(t, "the ends have the abilities that they are said to have", o.testAbilities)
	for _, cases := range [][]connCase{
		streamCases, resetCases, deadlineCases, contextCases, closeCases, stateCases, datagramCases, abilityCases,
	} {
		o.runAll(t, cases, o.Pair)
	}
	if o.Small != nil {
		o.runAll(t, flowCases, o.Small)
		o.runAll(t, limitCases, o.Small)
	}
	if o.Cut != nil {
		o.leaf(t, "the loss of a connection is an error, and no end", o.testLoss)
	}
	if o.Listen != nil {
		o.runDials(t)
	}
}

func (o Options) runAll(t *testing.T, cases []connCase, pair func(*testing.T) (client, server transport.Conn)) {
	for _, c := range cases {
		if c.symmetric {
			if !has(o.Client, c.a) || !has(o.Server, c.b) {
				continue
			}
			o.leaf(t, c.name, func(t *testing.T) {
				client, server := open(t, pair)
				c.run(t, client, server)
			})
			continue
		}
		down, up := has(o.Client, c.a) && has(o.Server, c.b), has(o.Server, c.a) && has(o.Client, c.b)
		if !down && !up {
			continue
		}
		t.Run(c.name, func(t *testing.T) {
			o.parallel(t)
			if down {
				o.leaf(t, "client to server", func(t *testing.T) {
					client, server := open(t, pair)
					c.run(t, client, server)
				})
			}
			if up {
				o.leaf(t, "server to client", func(t *testing.T) {
					client, server := open(t, pair)
					c.run(t, server, client)
				})
			}
		})
	}
}

func (o Options) runDials(t *testing.T) {
	o.leaf(t, "the dialer has the abilities that it is said to have", func(t *testing.T) {
		e := o.Listen(t, []string{protocolA})
		t.Cleanup(func() { e.Listener.Close() })
		report(t, "Dialer", o.Dialer, e.Dialer, Targets, Closing)
	})
	for _, c := range dialCases {
		if !has(o.Dialer, c.needs) {
			continue
		}
		o.leaf(t, c.name, func(t *testing.T) {
			e := o.Listen(t, []string{protocolA, protocolB})
			t.Cleanup(func() { e.Listener.Close() })
			c.run(t, e)
		})
	}
}

func (o Options) parallel(t *testing.T) {
	if o.Parallel {
		t.Parallel()
	}
}

// leaf runs one subtest, in a bubble if asked for, and checks for leaks unless
// those of others are there.
func (o Options) leaf(t *testing.T, name string, f func(t *testing.T)) {
	t.Run(name, func(t *testing.T) {
		o.parallel(t)
		if !o.Parallel {
			NoLeaks(t)
		}
		if !o.Bubble {
			f(t)
			return
		}
		skipped := false
		synctest.Test(t, func(t *testing.T) {
			defer func() { skipped = t.Skipped() }()
			f(t)
		})
		if skipped {
			t.SkipNow()
		}
	})
}

// open makes a pair that is closed when the test ends.
func open(t *testing.T, pair func(*testing.T) (client, server transport.Conn)) (client, server transport.Conn) {
	t.Helper()
	client, server = pair(t)
	closeAfter(t, client, server)
	return client, server
}

func closeAfter(t *testing.T, conns ...transport.Conn) {
	t.Cleanup(func() {
		for _, c := range conns {
			c.CloseWithError(0, "")
		}
	})
}
