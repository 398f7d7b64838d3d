package transporttest

import (
	"context"
	"errors"
	"io"
	"testing"

	"github.com/moqlite/moqlite/transport"
)

// testLoss checks that every call on a connection that is lost, and on its
// streams, fails, and that the error differs from the end of a stream.
func (o Options) testLoss(t *testing.T) {
	a, b, cut := o.Cut(t)
	closeAfter(t, a, b)
	x, y := bidi(t, a, b)
	there, ofA := begun(t, a, b)
	back, ofB := begun(t, b, a)
	// These calls have begun before the loss and wait for what no longer comes.
	calls := append(hanging(t, a, x), hanging(t, b, y)...)
	contexts := []context.Context{a.Context(), b.Context(), x.Context(), y.Context(), there.Context(), back.Context()}
	// From here on neither end gets anything from the other, and nobody has
	// closed anything.
	cut()
	for _, p := range calls {
		_, err := p.wait()
		wantLoss(t, p.name, err)
	}
	for _, ctx := range contexts {
		wantLoss(t, "a context's cause", wantCause(t, ctx))
	}
	for _, w := range []transport.SendStream{there, back, x, y} {
		wantLoss(t, "Write", writeError(w))
	}
	for _, r := range []transport.ReceiveStream{ofA, ofB, x, y} {
		wantLoss(t, "Read", readError(r))
	}
	// Whoever calls afterwards learns it too, rather than wait.
	late(t, a)
	late(t, b)
}

// begun opens a stream and sends data on it, a part of which is read.
func begun(t *testing.T, a, b transport.Conn) (transport.SendStream, transport.ReceiveStream) {
	t.Helper()
	w, r := uni(t, a, b)
	write(t, w, "a part")
	read(t, r, "a ")
	return w, r
}

// hanging is pendings, with ReceiveDatagram where the connection has
// datagrams.
func hanging(t *testing.T, c transport.Conn, r transport.ReceiveStream) []pending {
	t.Helper()
	calls := pendings(t, c, r)
	if d, ok := c.(transport.DatagramConn); ok {
		ctx := within(t)
		calls = append(calls, pending{"ReceiveDatagram", async(t, func() (int, error) {
			_, err := d.ReceiveDatagram(ctx)
			return 0, err
		})})
	}
	return calls
}

// late checks calls that start after the loss.
func late(t *testing.T, c transport.Conn) {
	t.Helper()
	_, err := c.OpenStream(within(t))
	wantLoss(t, "OpenStream", err)
	_, err = c.OpenUniStream(within(t))
	wantLoss(t, "OpenUniStream", err)
	_, err = c.AcceptStream(within(t))
	wantLoss(t, "AcceptStream", err)
	_, err = c.AcceptUniStream(within(t))
	wantLoss(t, "AcceptUniStream", err)
	if d, ok := c.(transport.DatagramConn); ok {
		wantLoss(t, "SendDatagram", d.SendDatagram([]byte("x")))
		_, err = d.ReceiveDatagram(within(t))
		wantLoss(t, "ReceiveDatagram", err)
	}
}

// wantLoss fails the test unless err says that the connection was lost: it has no
// code of a peer, and what broke. Above all it is no io.EOF, by which a reader would
// take half a group for a whole one.
func wantLoss(t *testing.T, what string, err error) {
	t.Helper()
	e, ok := errors.AsType[*transport.ConnError](err)
	switch {
	case !ok:
		t.Errorf("%s: error is %v (%T), want a *transport.ConnError", what, err, err)
	case e.Err == nil:
		t.Errorf("%s: error is %v, want one that tells what broke", what, err)
	case err == io.EOF, err == io.ErrUnexpectedEOF:
		t.Errorf("%s: error %v matches the end of a stream", what, err)
	}
}
