package transporttest

import (
	"context"
	"errors"
	"testing"

	"github.com/moqlite/moqlite/transport"
)

// limitCases check the limits on streams that are open at once. At a limit openers
// wait, as long as their context lets them; there is no error for it, since a peer
// that keeps up frees streams all the time.
var limitCases = []connCase{
	{name: "OpenUniStream blocks at the limit until a stream ends", run: testUniLimit},
	{name: "OpenStream blocks at the limit until a stream ends on both halves", run: testBidiLimit},
	{name: "OpenUniStream gives up at the limit when its context ends", run: testUniLimitContext},
	{name: "OpenStream gives up at the limit when its context ends", run: testBidiLimitContext},
	{name: "the limits of both kinds are apart", run: testLimitsApart},
	{name: "the stream limit frees what is reset", run: testLimitAfterResets},
	{name: "closing the connection here releases a blocked opener", run: testLocalCloseReleasesOpen},
	{name: "closing the connection there releases a blocked opener", run: testRemoteCloseReleasesOpen},
}

// mostStreams is how many streams of each kind a Small connection allows at
// most.
const mostStreams = 32

// fillUni opens streams until the limit is reached, and sends a byte on each.
// On a slow machine it may stop earlier, which does no harm.
func fillUni(t *testing.T, c transport.Conn) (open []transport.SendStream) {
	t.Helper()
	for {
		ctx, cancel := context.WithTimeout(t.Context(), 4*moment)
		s, err := c.OpenUniStream(ctx)
		cancel()
		if errors.Is(err, context.DeadlineExceeded) {
			return open
		}
		do(t, err)
		write(t, s, "!")
		if open = append(open, s); len(open) > mostStreams {
			t.Fatalf("opened %d streams", len(open))
		}
	}
}

// fillBidi is fillUni for bidirectional streams.
func fillBidi(t *testing.T, c transport.Conn) (open []transport.Stream) {
	t.Helper()
	for {
		ctx, cancel := context.WithTimeout(t.Context(), 4*moment)
		s, err := c.OpenStream(ctx)
		cancel()
		if errors.Is(err, context.DeadlineExceeded) {
			return open
		}
		do(t, err)
		write(t, s, "!")
		if open = append(open, s); len(open) > mostStreams {
			t.Fatalf("opened %d streams", len(open))
		}
	}
}

// waitUni starts an OpenUniStream that blocks.
func waitUni(t *testing.T, c transport.Conn) (wait func() (transport.SendStream, error)) {
	t.Helper()
	ctx := within(t)
	return blocked(t, func() (transport.SendStream, error) { return c.OpenUniStream(ctx) })
}

// testUniLimit checks that a stream that was read to its end makes room for another.
func testUniLimit(t *testing.T, a, b transport.Conn) {
	open := fillUni(t, a)
	wait := waitUni(t, a)
	for _, w := range open {
		do(t, w.Close())
	}
	r := must[transport.ReceiveStream](t)(b.AcceptUniStream(within(t)))
	hurryRead(t, r)
	do(t, wantBytes(r, []byte("!")))
	must[transport.SendStream](t)(wait())
}

// testBidiLimit checks that a bidirectional stream counts until both of its halves
// have ended: with one of them it is still in use.
func testBidiLimit(t *testing.T, a, b transport.Conn) {
	// The opener's halves end, and none of the peer's: no stream is free yet.
	for _, x := range fillBidi(t, a) {
		do(t, x.Close())
	}
	y := must[transport.Stream](t)(b.AcceptStream(within(t)))
	hurry(t, y)
	do(t, wantBytes(y, []byte("!")))

	ctx := within(t)
	wait := blocked(t, func() (transport.Stream, error) { return a.OpenStream(ctx) })
	do(t, y.Close())
	must[transport.Stream](t)(wait())
}

// testUniLimitContext checks that an opener that has given up takes no stream: the
// next one that becomes free is for those who still wait.
func testUniLimitContext(t *testing.T, a, b transport.Conn) {
	fillUni(t, a)
	_, err := a.OpenUniStream(ended(t))
	wantIs(t, err, context.Canceled)

	reason := errors.New("the caller's reason")
	ctx, cancel := context.WithCancelCause(t.Context())
	wait := blocked(t, func() (transport.SendStream, error) { return a.OpenUniStream(ctx) })
	cancel(reason)
	_, err = wait()
	wantIs(t, err, reason)

	// One that was opened by a call that has given up would be missing here.
	freeOne(t, b)
	must[transport.SendStream](t)(a.OpenUniStream(within(t)))
}

// freeOne ends the oldest unidirectional stream by refusing it.
func freeOne(t *testing.T, c transport.Conn) {
	t.Helper()
	r := must[transport.ReceiveStream](t)(c.AcceptUniStream(within(t)))
	r.CancelRead(1)
}

// testBidiLimitContext is testUniLimitContext for bidirectional streams.
func testBidiLimitContext(t *testing.T, a, b transport.Conn) {
	fillBidi(t, a)
	_, err := a.OpenStream(ended(t))
	wantIs(t, err, context.Canceled)

	reason := errors.New("the caller's reason")
	ctx, cancel := context.WithCancelCause(t.Context())
	wait := blocked(t, func() (transport.Stream, error) { return a.OpenStream(ctx) })
	cancel(reason)
	_, err = wait()
	wantIs(t, err, reason)

	y := must[transport.Stream](t)(b.AcceptStream(within(t)))
	// Only both together free the stream.
	y.CancelRead(1)
	y.CancelWrite(1)
	must[transport.Stream](t)(a.OpenStream(within(t)))
}

// testLimitsApart checks that groups, which are unidirectional and many, cannot block
// the requests and answers that go over bidirectional streams, nor the other
// direction.
func testLimitsApart(t *testing.T, a, b transport.Conn) {
	fillUni(t, a)
	x, y := bidi(t, a, b)
	write(t, x, "one kind")
	read(t, y, "one kind")
	w, r := uni(t, b, a)
	write(t, w, "one direction")
	read(t, r, "one direction")
}

// More streams than the limit are opened, one after the other. A half that was
// reset counts as ended once a call on it has returned the error.
func testLimitAfterResets(t *testing.T, a, b transport.Conn) {
	for range mostStreams {
		w, r := uni(t, a, b)
		w.CancelWrite(1)
		wantStreamError(t, readError(r), 1, true)

		w, r = uni(t, a, b)
		r.CancelRead(2)
		wantStreamError(t, wantCause(t, w.Context()), 2, true)

		x, y := bidi(t, a, b)
		x.CancelWrite(3)
		x.CancelRead(4)
		wantStreamError(t, readError(y), 3, true)
		wantStreamError(t, writeError(y), 4, true)
	}
}

// testLocalCloseReleasesOpen checks that an opener does not wait for room on a
// connection that this end has closed.
func testLocalCloseReleasesOpen(t *testing.T, a, _ transport.Conn) {
	fillUni(t, a)
	wait := waitUni(t, a)
	do(t, a.CloseWithError(2, "enough"))
	_, err := wait()
	wantConnError(t, err, 2, "enough", false)
}

// testRemoteCloseReleasesOpen is the same for a close by the peer.
func testRemoteCloseReleasesOpen(t *testing.T, a, b transport.Conn) {
	fillUni(t, a)
	wait := waitUni(t, a)
	do(t, b.CloseWithError(2, "enough"))
	_, err := wait()
	wantConnError(t, err, 2, "enough", true)
}
