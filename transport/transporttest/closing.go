package transporttest

import (
	"fmt"
	"testing"
	"time"

	"github.com/moqlite/moqlite/transport"
)

// closeCases check the end of a connection by a close: both ends learn the code and
// the reason, whatever they are doing, and nothing else is told that could be taken
// for another end.
var closeCases = closings()

// closings has one case per code, since a connection can be closed only once.
func closings() []connCase {
	cases := []connCase{
		{name: "a close ends every call, here and there", run: testCloseEndsCalls},
		{name: "a close ends the contexts of connection and streams", run: testCloseEndsContexts},
		{name: "a second close does nothing", run: testSecondClose},
		{name: "a close after the peer's does nothing", run: testCloseAfterPeer},
		{name: "closes that cross end both sides", symmetric: true, run: testCrossingCloses},
		{name: "nothing can be opened after a close", run: testOpenAfterClose},
		{name: "what ends streams after a close is not told", run: testEndsAfterClose},
	}
	for _, code := range closeCodes {
		cases = append(cases, connCase{
			name: fmt.Sprintf("the peer sees a close with code %#x", code),
			run:  func(t *testing.T, a, b transport.Conn) { testCloseCode(t, a, b, code, "the reason") },
		})
	}
	return append(cases, connCase{
		name: "the peer sees a close without a reason",
		run:  func(t *testing.T, a, b transport.Conn) { testCloseCode(t, a, b, 0, "") },
	})
}

// testCloseCode checks that the peer learns a code and a reason, and that the close
// waits for that no longer than a second, as the contract says. The other second is
// for slow machines.
func testCloseCode(t *testing.T, a, b transport.Conn, code uint64, reason string) {
	start := time.Now()
	do(t, a.CloseWithError(code, reason))
	if d := time.Since(start); d > 2*time.Second {
		t.Errorf("CloseWithError took %v", d)
	}
	wantConnError(t, wantCause(t, a.Context()), code, reason, false)
	wantConnError(t, wantCause(t, b.Context()), code, reason, true)
	_, err := b.AcceptStream(within(t))
	wantConnError(t, err, code, reason, true)
}

// A pending is a call that blocks until the connection ends.
type pending struct {
	name string
	wait func() (int, error)
}

// pendings starts a call of each kind that blocks, on one side.
func pendings(t *testing.T, c transport.Conn, r transport.ReceiveStream) []pending {
	t.Helper()
	ctx := within(t)
	return []pending{
		{"AcceptStream", async(t, func() (int, error) { _, err := c.AcceptStream(ctx); return 0, err })},
		{"AcceptUniStream", async(t, func() (int, error) { _, err := c.AcceptUniStream(ctx); return 0, err })},
		{"Read", blocked(t, func() (int, error) { return r.Read(make([]byte, 1)) })},
	}
}

// testCloseEndsCalls checks that no call goes on after a close, at either end,
// whether it has begun before the close or after it, and that its error tells who has
// closed the connection, and why.
func testCloseEndsCalls(t *testing.T, a, b transport.Conn) {
	x, y := bidi(t, a, b)
	here, there := pendings(t, a, x), pendings(t, b, y)
	do(t, a.CloseWithError(2, "the reason"))
	for _, p := range here {
		_, err := p.wait()
		t.Log("here:", p.name)
		wantConnError(t, err, 2, "the reason", false)
	}
	for _, p := range there {
		_, err := p.wait()
		t.Log("there:", p.name)
		wantConnError(t, err, 2, "the reason", true)
	}
	wantConnError(t, writeError(x), 2, "the reason", false)
	wantConnError(t, writeError(y), 2, "the reason", true)
	wantConnError(t, readError(x), 2, "the reason", false)
	wantConnError(t, readError(y), 2, "the reason", true)
}

// testCloseEndsContexts checks that whoever waits for a connection or a stream by its
// context learns the reason from the cause, without making a call that fails.
func testCloseEndsContexts(t *testing.T, a, b transport.Conn) {
	x, y := bidi(t, a, b)
	here, there := x.Context(), y.Context()
	do(t, a.CloseWithError(0x10, "going away"))
	wantConnError(t, wantCause(t, a.Context()), 0x10, "going away", false)
	wantConnError(t, wantCause(t, b.Context()), 0x10, "going away", true)
	wantConnError(t, wantCause(t, here), 0x10, "going away", false)
	wantConnError(t, wantCause(t, there), 0x10, "going away", true)
}

// testSecondClose checks that the first close counts: several goroutines of a session
// may close the connection, each for a reason of its own.
func testSecondClose(t *testing.T, a, b transport.Conn) {
	do(t, a.CloseWithError(1, "first"))
	do(t, a.CloseWithError(2, "second"))
	wantConnError(t, wantCause(t, a.Context()), 1, "first", false)
	wantConnError(t, wantCause(t, b.Context()), 1, "first", true)
}

// testCloseAfterPeer checks that a close that has come too late does not replace the
// peer's reason, which is what users have to see.
func testCloseAfterPeer(t *testing.T, a, b transport.Conn) {
	do(t, a.CloseWithError(1, "first"))
	wantConnError(t, wantCause(t, b.Context()), 1, "first", true)
	do(t, b.CloseWithError(2, "second"))
	wantConnError(t, wantCause(t, b.Context()), 1, "first", true)
	wantConnError(t, wantCause(t, a.Context()), 1, "first", false)
}

// The closing side has many streams to end, some of them before its close
// returns. The peer must learn only of the close: a stream that ended by
// itself would look complete, or refused.
func testEndsAfterClose(t *testing.T, a, b transport.Conn) {
	var here []transport.Stream
	var there []func() (int, error)
	for range 20 {
		x, y := bidi(t, a, b)
		v, w := bidi(t, b, a)
		here = append(here, x, w)
		for _, s := range []transport.Stream{y, v} {
			there = append(there, async(t, func() (int, error) { return s.Read(make([]byte, 1)) }))
		}
	}
	ctx := a.Context()
	closed := async(t, func() (int, error) { return 0, a.CloseWithError(2, "the reason") })
	wantCause(t, ctx)
	for i, s := range here {
		s.CancelRead(0x33)
		if i%4 < 2 {
			s.CancelWrite(0x33)
		} else {
			do(t, s.Close())
		}
	}
	for _, wait := range there {
		_, err := wait()
		wantConnError(t, err, 2, "the reason", true)
	}
	must[int](t)(closed())
}

// Each side reports its own close or the other's, whichever came first there.
func testCrossingCloses(t *testing.T, a, b transport.Conn) {
	closeA := async(t, func() (int, error) { return 0, a.CloseWithError(1, "a") })
	closeB := async(t, func() (int, error) { return 0, b.CloseWithError(2, "b") })
	must[int](t)(closeA())
	must[int](t)(closeB())
	wantOneOf(t, wantCause(t, a.Context()), transport.ConnError{Code: 1, Reason: "a"}, transport.ConnError{Code: 2, Reason: "b", Remote: true})
	wantOneOf(t, wantCause(t, b.Context()), transport.ConnError{Code: 2, Reason: "b"}, transport.ConnError{Code: 1, Reason: "a", Remote: true})
}

// wantOneOf fails the test unless the error is one of two, where a race decides
// which.
func wantOneOf(t *testing.T, err error, x, y transport.ConnError) {
	t.Helper()
	e, ok := err.(*transport.ConnError)
	if !ok || *e != x && *e != y {
		t.Fatalf("cause is %#v, want %+v or %+v", err, x, y)
	}
}

// testOpenAfterClose checks that opening a stream fails with the reason of the end,
// and does not wait for a peer that is gone.
func testOpenAfterClose(t *testing.T, a, b transport.Conn) {
	do(t, a.CloseWithError(3, "over"))
	wantCause(t, b.Context())
	_, err := a.OpenStream(within(t))
	wantConnError(t, err, 3, "over", false)
	_, err = a.OpenUniStream(within(t))
	wantConnError(t, err, 3, "over", false)
	_, err = b.OpenStream(within(t))
	wantConnError(t, err, 3, "over", true)
	_, err = b.OpenUniStream(within(t))
	wantConnError(t, err, 3, "over", true)
}
