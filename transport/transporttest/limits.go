package transporttest

import (
	"context"
	"errors"
	"testing"

	"github.com/moqlite/moqlite/transport"
)

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

func testBidiLimit(t *testing.T, a, b transport.Conn) {
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

	freeOne(t, b)
	must[transport.SendStream](t)(a.OpenUniStream(within(t)))
}

// freeOne ends the oldest unidirectional stream by refusing it.
func freeOne(t *testing.T, c transport.Conn) {
	t.Helper()
	r := must[transport.ReceiveStream](t)(c.AcceptUniStream(within(t)))
	r.CancelRead(1)
}

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
	y.CancelRead(1)
	y.CancelWrite(1)
	must[transport.Stream](t)(a.OpenStream(within(t)))
}

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

func testLocalCloseReleasesOpen(t *testing.T, a, _ transport.Conn) {
	fillUni(t, a)
	wait := waitUni(t, a)
	do(t, a.CloseWithError(2, "enough"))
	_, err := wait()
	wantConnError(t, err, 2, "enough", false)
}

func testRemoteCloseReleasesOpen(t *testing.T, a, b transport.Conn) {
	fillUni(t, a)
	wait := waitUni(t, a)
	do(t, b.CloseWithError(2, "enough"))
	_, err := wait()
	wantConnError(t, err, 2, "enough", true)
}
