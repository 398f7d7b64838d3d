package transporttest

import (
	"context"
	"errors"
	"io"
	"net"
	"testing"

	"github.com/moqlite/moqlite/transport"
)

// Two protocols that the listener under test supports, and one that it does
// not.
const (
	protocolA     = "moq-lite-06"
	protocolB     = "moq-lite-05"
	protocolOther = "moq-lite-99"
)

// dialCases check a dialer against its listener: what is negotiated, which phase an
// error names, and that neither end keeps the other waiting.
var dialCases = []dialCase{
	{name: "a dial reaches the listener", run: testDial},
	{name: "a dial negotiates what both speak", run: testNegotiate},
	{name: "a dial fails without a common protocol", run: testNoCommonProtocol},
	{name: "a dial fails where nothing listens", run: testNothingListens},
	{name: "a dial fails on a malformed URL", run: testMalformedURL},
	{name: "a dial ends with its context", run: testDialContext},
	{name: "a dial does not start after its context", run: testDialEndedContext},
	{name: "the end of a dial's context leaves the connection", run: testDialContextIsOver},
	{name: "dials run at once", run: testDials},
	{name: "the listener's Accept gives up when its context ends", run: testListenerContext},
	{name: "closing the listener ends Accept", run: testListenerCloseEndsAccept},
	{name: "closing the listener ends dialling", run: testListenerCloseEndsDials},
	{name: "closing the listener ends what nobody accepted", run: testListenerCloseUnaccepted},
	{name: "closing the listener leaves what was accepted", run: testListenerCloseAccepted},
	{name: "a dialer is closed twice", needs: Closing, run: testDialerClose},
	{name: "a dialer takes a parsed URL", needs: Targets, run: testDialTarget},
}

// connect dials and accepts. Both ends are closed when the test ends.
func connect(t *testing.T, e Endpoint, protocols ...string) (client, server transport.Conn) {
	t.Helper()
	ctx := within(t)
	wait := async(t, func() (transport.Conn, error) { return e.Listener.Accept(ctx) })
	client = dial(t, e, protocols...)
	server = must[transport.Conn](t)(wait())
	t.Cleanup(func() { server.CloseWithError(0, "") })
	return client, server
}

// dial is connect without Accept. The connection is closed when the test ends.
func dial(t *testing.T, e Endpoint, protocols ...string) transport.Conn {
	t.Helper()
	c := must[transport.Conn](t)(e.Dialer.Dial(within(t), e.URL, protocols))
	t.Cleanup(func() { c.CloseWithError(0, "") })
	return c
}

// testDial checks that both ends can open streams once the dial has returned.
func testDial(t *testing.T, e Endpoint) {
	if e.Listener.Addr() == nil {
		t.Error("the listener has no address")
	}
	client, server := connect(t, e, protocolA)
	testBidi(t, client, server)
	testBidi(t, server, client)
}

// testNegotiate checks that both ends agree on one of the protocols that both have.
// Which of several it is, is the listener's choice.
func testNegotiate(t *testing.T, e Endpoint) {
	for _, offer := range [][]string{{protocolA}, {protocolB}, {protocolB, protocolA}, {protocolOther, protocolB}} {
		client, server := connect(t, e, offer...)
		c, s := client.State().Protocol, server.State().Protocol
		if c != s || c != protocolA && c != protocolB {
			t.Errorf("of %q the client chose %q, the server %q", offer, c, s)
		}
		// With one offer there is nothing to choose.
		if len(offer) == 1 && c != offer[0] {
			t.Errorf("of %q the client chose %q", offer, c)
		}
	}
}

// testNoCommonProtocol checks that a client can tell a server that is too old or too
// new from one that cannot be reached, and that the listener survives it.
func testNoCommonProtocol(t *testing.T, e Endpoint) {
	_, err := e.Dialer.Dial(within(t), e.URL, []string{protocolOther})
	wantDialError(t, err, transport.PhaseNegotiate)
	wantIs(t, err, transport.ErrNoCommonProtocol)
	connect(t, e, protocolA)
}

// wantDialError fails the test unless err says that a dial has failed in a phase, by
// which users tell what to look at: names, the network, certificates or versions.
func wantDialError(t *testing.T, err error, phase transport.Phase) {
	t.Helper()
	d, ok := errors.AsType[*transport.DialError](err)
	if !ok {
		t.Fatalf("error is %v (%T), want a *transport.DialError", err, err)
	}
	if d.Phase != phase {
		t.Fatalf("%v: phase is %q, want %q", err, d.Phase, phase)
	}
}

// testNothingListens checks that a dial to a closed port fails by itself, and says that
// it was the network.
func testNothingListens(t *testing.T, e Endpoint) {
	if e.DeadURL == "" {
		t.Skip("no DeadURL")
	}
	_, err := e.Dialer.Dial(within(t), e.DeadURL, []string{protocolA})
	wantDialError(t, err, transport.PhaseConnect)
	connect(t, e, protocolA)
}

// testMalformedURL checks that a URL that cannot be used fails as early as a name
// that does not exist.
func testMalformedURL(t *testing.T, e Endpoint) {
	_, err := e.Dialer.Dial(within(t), "://no-scheme", []string{protocolA})
	wantDialError(t, err, transport.PhaseResolve)
}

// testDialContext checks that a dial to a server that says nothing can be given up,
// and that the error matches the caller's cause.
func testDialContext(t *testing.T, e Endpoint) {
	if e.SilentURL == "" {
		t.Skip("no SilentURL")
	}
	reason := errors.New("the caller's reason")
	ctx, cancel := context.WithCancelCause(t.Context())
	wait := blocked(t, func() (transport.Conn, error) { return e.Dialer.Dial(ctx, e.SilentURL, []string{protocolA}) })
	cancel(reason)
	_, err := wait()
	wantDialError(t, err, transport.PhaseConnect)
	wantIs(t, err, reason)
}

// testDialEndedContext checks that nothing is dialled for a caller that is gone.
func testDialEndedContext(t *testing.T, e Endpoint) {
	_, err := e.Dialer.Dial(ended(t), e.URL, []string{protocolA})
	if _, ok := errors.AsType[*transport.DialError](err); !ok {
		t.Errorf("error is %v (%T), want a *transport.DialError", err, err)
	}
	wantIs(t, err, context.Canceled)
}

// testDialContextIsOver checks that the context of a dial, which usually has a
// timeout, does not end the connection.
func testDialContextIsOver(t *testing.T, e Endpoint) {
	ctx, cancel := context.WithCancel(within(t))
	client := must[transport.Conn](t)(e.Dialer.Dial(ctx, e.URL, []string{protocolA}))
	t.Cleanup(func() { client.CloseWithError(0, "") })
	server := must[transport.Conn](t)(e.Listener.Accept(ctx))
	t.Cleanup(func() { server.CloseWithError(0, "") })
	cancel()
	testBidi(t, client, server)
	if err := context.Cause(client.Context()); err != nil {
		t.Errorf("the connection has ended: %v", err)
	}
}

// testDials checks that dials share a dialer without a lock around each: redial and
// relays dial several servers at once.
func testDials(t *testing.T, e Endpoint) {
	const dials = 8
	ctx := within(t)
	var waits []func() (transport.Conn, error)
	for range dials {
		waits = append(waits,
			async(t, func() (transport.Conn, error) { return e.Dialer.Dial(ctx, e.URL, []string{protocolA}) }),
			async(t, func() (transport.Conn, error) { return e.Listener.Accept(ctx) }))
	}
	for _, wait := range waits {
		c := must[transport.Conn](t)(wait())
		t.Cleanup(func() { c.CloseWithError(0, "") })
	}
}

// testListenerContext checks that an Accept that was given up does not lose the next
// connection.
func testListenerContext(t *testing.T, e Endpoint) {
	reason := errors.New("the caller's reason")
	ctx, cancel := context.WithCancelCause(t.Context())
	wait := blocked(t, func() (transport.Conn, error) { return e.Listener.Accept(ctx) })
	cancel(reason)
	_, err := wait()
	wantIs(t, err, reason)
	connect(t, e, protocolA)
}

// testListenerCloseEndsAccept checks that a server that loops over Accept ends when
// its listener is closed, and can tell that from a failure.
func testListenerCloseEndsAccept(t *testing.T, e Endpoint) {
	ctx := within(t)
	wait := blocked(t, func() (transport.Conn, error) { return e.Listener.Accept(ctx) })
	do(t, e.Listener.Close())
	_, err := wait()
	wantIs(t, err, net.ErrClosed)
	_, err = e.Listener.Accept(ctx)
	wantIs(t, err, net.ErrClosed)
}

// testListenerCloseEndsDials checks that clients are refused after Close, rather than
// admitted to a server that no longer serves.
func testListenerCloseEndsDials(t *testing.T, e Endpoint) {
	connect(t, e, protocolA)
	do(t, e.Listener.Close())
	c, err := e.Dialer.Dial(within(t), e.URL, []string{protocolA})
	if err == nil {
		c.CloseWithError(0, "")
		t.Fatal("reached a listener that is closed")
	}
	if _, ok := errors.AsType[*transport.DialError](err); !ok {
		t.Errorf("error is %v (%T), want a *transport.DialError", err, err)
	}
}

// testListenerCloseUnaccepted checks that a connection that nobody has accepted is
// closed with the listener, so that its client does not wait for an answer for ever.
func testListenerCloseUnaccepted(t *testing.T, e Endpoint) {
	// The handshake is done by the listener itself, so the dial returns without
	// Accept.
	client := dial(t, e, protocolA)
	do(t, e.Listener.Close())
	cause := wantCause(t, client.Context())
	if _, ok := errors.AsType[*transport.ConnError](cause); !ok {
		t.Errorf("cause is %v (%T), want a *transport.ConnError", cause, cause)
	}
}

// testListenerCloseAccepted checks that accepted connections belong to whoever has
// accepted them: a server that shuts down stops listening first, and serves to the
// end those that are left.
func testListenerCloseAccepted(t *testing.T, e Endpoint) {
	client, server := connect(t, e, protocolA)
	do(t, e.Listener.Close())
	testBidi(t, client, server)
	testUni(t, server, client)
}

// testDialerClose checks that a dialer may be closed more than once, as a deferred
// Close after an explicit one does.
func testDialerClose(t *testing.T, e Endpoint) {
	c := as[io.Closer](t, e.Dialer)
	client, _ := connect(t, e, protocolA)
	client.CloseWithError(0, "")
	do(t, c.Close())
	do(t, c.Close())
}

// testDialTarget dials a parsed URL, which must not be changed and must be in
// the State.
func testDialTarget(t *testing.T, e Endpoint) {
	target := must[*transport.Target](t)(transport.ParseURL(e.URL))
	before := target.URL.String()
	ctx := within(t)
	wait := async(t, func() (transport.Conn, error) { return e.Listener.Accept(ctx) })
	client := must[transport.Conn](t)(as[transport.TargetDialer](t, e.Dialer).DialTarget(ctx, target, []string{protocolA}))
	t.Cleanup(func() { client.CloseWithError(0, "") })
	server := must[transport.Conn](t)(wait())
	t.Cleanup(func() { server.CloseWithError(0, "") })
	testBidi(t, client, server)
	if got := client.State().URL; got == nil || got.String() != before || target.URL.String() != before {
		t.Errorf("dialled %s: the state has %v, the target %v", before, got, target.URL)
	}
}
