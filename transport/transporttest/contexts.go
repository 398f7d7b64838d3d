package transporttest

import (
	"context"
	"errors"
	"testing"

	"github.com/moqlite/moqlite/transport"
)

// contextCases check the contexts of calls: a call returns the cause of its context,
// and nothing that it would have returned is lost.
var contextCases = []connCase{
	{name: "AcceptStream gives up when its context ends", run: testAcceptContext},
	{name: "AcceptUniStream gives up when its context ends", run: testAcceptUniContext},
	{name: "the end of the context that opened a stream leaves it alone", run: testOpenContextEnds},
}

// testAcceptContext checks an Accept with a context that has ended already, and one
// whose context ends while it waits: the stream that comes afterwards is for the next
// call.
func testAcceptContext(t *testing.T, a, b transport.Conn) {
	_, err := b.AcceptStream(ended(t))
	wantIs(t, err, context.Canceled)

	reason := errors.New("the caller's reason")
	ctx, cancel := context.WithCancelCause(t.Context())
	wait := blocked(t, func() (transport.Stream, error) { return b.AcceptStream(ctx) })
	cancel(reason)
	_, err = wait()
	wantIs(t, err, reason)

	x, y := bidi(t, a, b)
	write(t, x, "afterwards")
	read(t, y, "afterwards")
}

// testAcceptUniContext is testAcceptContext for unidirectional streams.
func testAcceptUniContext(t *testing.T, a, b transport.Conn) {
	_, err := b.AcceptUniStream(ended(t))
	wantIs(t, err, context.Canceled)

	reason := errors.New("the caller's reason")
	ctx, cancel := context.WithCancelCause(t.Context())
	wait := blocked(t, func() (transport.ReceiveStream, error) { return b.AcceptUniStream(ctx) })
	cancel(reason)
	_, err = wait()
	wantIs(t, err, reason)

	w, r := uni(t, a, b)
	write(t, w, "afterwards")
	read(t, r, "afterwards")
}

// testOpenContextEnds checks that the context of a call ends with the call: a stream
// outlives the context that it was opened or accepted with.
func testOpenContextEnds(t *testing.T, a, b transport.Conn) {
	ctx, cancel := context.WithCancel(t.Context())
	w := must[transport.SendStream](t)(a.OpenUniStream(ctx))
	hurryWrite(t, w)
	write(t, w, "before")
	r := must[transport.ReceiveStream](t)(b.AcceptUniStream(ctx))
	hurryRead(t, r)
	cancel()
	write(t, w, ", after")
	read(t, r, "before, after")
	if err := w.Context().Err(); err != nil {
		t.Errorf("the stream's context has ended: %v", err)
	}
}
