// Package transporttest is the conformance suite for implementations of
// [transport.Conn]: [TestConn] checks each promise of the contract in a
// subtest of its own. [NoLeaks] is also useful to other tests that start
// goroutines, and a [Cable] to tests whose connections break.
//
// A minimal use:
//
//	func TestTransport(t *testing.T) {
//		transporttest.TestConn(t, transporttest.Options{Pair: pair})
//	}
//
// # What is checked
//
// The name of a subtest is the promise that it checks, and the comment of its function says
// who relies on it. With a Pair alone, that is streams and how they end, deadlines and
// contexts, closing, and the state. Small adds flow control and the limits on streams,
// which are out of reach with usual limits; Cut adds the loss of a connection, and Listen
// dialling. The order in which streams are sent is not checked: it is the transport's own
// affair, and is tested where it is implemented.
//
// A case waits for what has to happen as long as a slow machine may need, and only for a
// moment to see that something does not happen. So a failure is never a matter of speed,
// and a fault may be missed on a machine that is too slow to show it. In a Bubble time is
// virtual: waiting costs nothing, and what never happens fails at once.
//
// # Adding a case
//
// A case is a connCase or a dialCase in the list of its file. Its function gets both ends
// of a new connection, and may do with them what it likes: the suite closes them. It must
// not depend on which end has dialled, unless the case is symmetric. Calls that could block
// for ever have to be bounded (within, hurry), so that a failure names the case rather than
// the whole test binary.
package transporttest

import (
	"testing"
	"testing/synctest"

	"github.com/moqlite/moqlite/transport"
)

// Options tell [TestConn] how to make connections, and what abilities they
// have. Cases whose function is nil are not run, and neither are those for
// abilities that Client, Server and Dialer do not list.
//
// The functions must stop what they start in t.Cleanup. The suite closes the
// connections before that, and does not wait for either end to notice.
type Options struct {
	// Pair makes both ends of a new connection with the usual limits of the
	// implementation. Required.
	Pair func(t *testing.T) (client, server transport.Conn)

	// Small makes a pair with low limits: each end grants the other from 2 to
	// 32 streams of each kind at once, at most 1 MiB of unread data on a
	// stream, and at least twice as much on the connection as on a stream.
	Small func(t *testing.T) (client, server transport.Conn)

	// Cut makes a pair, and a function that breaks the connection as a network
	// or a proxy would, without a close by either end.
	Cut func(t *testing.T) (client, server transport.Conn, cut func())

	// Listen makes a listener for protocols, and a dialer that reaches it.
	Listen func(t *testing.T, protocols []string) Endpoint

	// Client and Server are the abilities of the ends of a Pair, and Dialer
	// those of Listen's dialer. A listed ability that is missing is a failure.
	// So is an ability that is not listed, because its cases would not run.
	Client, Server, Dialer []Ability

	// Bubble runs each case in a synctest bubble. The implementation must do
	// no real I/O; a deadlock then fails the test at once.
	Bubble bool

	// Parallel runs the cases in parallel, since they mostly wait. The test
	// that calls TestConn must not be parallel itself. It cannot be combined
	// with Bubble.
	Parallel bool
}

// An Endpoint is a listener and how to reach it.
type Endpoint struct {
	// Listener is the listener under test. The suite closes it.
	Listener transport.Listener

	// Dialer can reach Listener.
	Dialer transport.Dialer

	// URL is the URL of Listener.
	URL string

	// DeadURL is a URL at which nothing listens. Empty: not tested.
	DeadURL string

	// SilentURL is a URL at which a dial blocks until its context ends. Empty:
	// not tested.
	SilentURL string
}

// A connCase checks one promise of a connection. It runs with the client as a
// and the server as b and, unless it is symmetric, also the other way round.
// It is skipped where an end does not have the ability that it needs.
type connCase struct {
	name      string
	symmetric bool
	a, b      Ability
	run       func(t *testing.T, a, b transport.Conn)
}

// A dialCase checks one promise of a dialer and its listener.
type dialCase struct {
	name  string
	needs Ability // of the dialer
	run   func(t *testing.T, e Endpoint)
}

// TestConn checks an implementation, one subtest per promise, and that no
// goroutine is left in the end.
func TestConn(t *testing.T, o Options) {
	t.Helper()
	if o.Parallel {
		NoLeaks(t)
	}
	o.leaf(t, "the ends have the abilities that they are said to have", func(t *testing.T) {
		o.reportOf(t, o.Pair)
	})
	// What users wrap around a connection has to keep what it can do.
	o.testWrappers(t)
	for _, cases := range [][]connCase{
		streamCases, resetCases, deadlineCases, contextCases, closeCases, stateCases, datagramCases, abilityCases,
	} {
		o.runAll(t, cases, o.Pair)
	}
	if o.Small != nil {
		o.runAll(t, flowCases, o.Small)
		o.runAll(t, limitCases, o.Small)
	}
	// Not run in both directions: the case looks at both ends at once.
	if o.Cut != nil {
		o.leaf(t, "the loss of a connection is an error, and no end", o.testLoss)
	}
	if o.Listen != nil {
		o.runDials(t)
	}
}

// runAll runs cases, each in the directions for which the ends have the abilities.
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
		// An end may have an ability that the other has not. A case is run in each
		// direction for which both ends have what it needs of them, and not reported
		// where there is none: whether an ability should be there is what reportOf says.
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

// runDials runs the cases of Listen, each with a listener of its own.
func (o Options) runDials(t *testing.T) {
	o.leaf(t, "the dialer has the abilities that it is said to have", func(t *testing.T) {
		e := o.Listen(t, []string{protocolA})
		t.Cleanup(func() { e.Listener.Close() })
		report(t, "Dialer", o.Dialer, e.Dialer, Targets, Closing)
	})
	o.leaf(t, "an observed dialer has its abilities, and dials are told", o.testObservedDialer)
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

// parallel makes a subtest parallel if Options say so.
func (o Options) parallel(t *testing.T) {
	if o.Parallel {
		t.Parallel()
	}
}

// leaf runs one subtest, in a bubble if Bubble is set, and checks for leaked
// goroutines unless other subtests run in parallel.
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
		// A case that skips itself in the bubble would otherwise count as
		// passed.
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

// closeAfter closes connections when the test ends. It goes before what the functions
// of Options clean up, since cleanups run in reverse.
func closeAfter(t *testing.T, conns ...transport.Conn) {
	t.Cleanup(func() {
		for _, c := range conns {
			c.CloseWithError(0, "")
		}
	})
}
