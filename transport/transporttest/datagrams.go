package transporttest

import (
	"bytes"
	"context"
	"errors"
	"testing"
	"time"

	"github.com/moqlite/moqlite/transport"
)

// datagramCases check datagrams, which promise little: each arrives whole or not at
// all, and neither end is kept waiting by the other.
var datagramCases = []connCase{
	{name: "a datagram arrives whole", a: Datagrams, b: Datagrams, run: testDatagram},
	{name: "a datagram that is too large is refused", a: Datagrams, b: Datagrams, run: testLargeDatagram},
	{name: "ReceiveDatagram gives up when its context ends", a: Datagrams, b: Datagrams, run: testDatagramContext},
	{name: "a close ends datagrams", a: Datagrams, b: Datagrams, run: testDatagramClose},
}

// Datagrams may be lost, so it is sent again until one arrives.
func testDatagram(t *testing.T, a, b transport.Conn) {
	from, to := as[transport.DatagramConn](t, a), as[transport.DatagramConn](t, b)
	want := pattern(500, 1)
	ctx, cancel := context.WithCancel(within(t))
	sent := async(t, func() (int, error) {
		buf := make([]byte, len(want))
		for ; ctx.Err() == nil; pause(ctx) {
			copy(buf, want)
			if err := from.SendDatagram(buf); err != nil {
				return 0, err
			}
			// SendDatagram keeps nothing of the buffer, so the caller may use it
			// again at once.
			clear(buf)
		}
		return 0, nil
	})
	// Whichever of them arrives, all are the same.
	got, err := to.ReceiveDatagram(ctx)
	cancel()
	do(t, err)
	if !bytes.Equal(got, want) {
		t.Errorf("received %x, want %x", got, want)
	}
	must[int](t)(sent())
}

// pause waits for a moment, or until ctx ends.
func pause(ctx context.Context) {
	select {
	case <-ctx.Done():
	case <-time.After(moment):
	}
}

// testLargeDatagram checks that what no path can carry is an error rather than a loss
// that nobody is told of, and that datagrams work afterwards.
func testLargeDatagram(t *testing.T, a, b transport.Conn) {
	if err := as[transport.DatagramConn](t, a).SendDatagram(make([]byte, 1<<20)); err == nil {
		t.Error("a datagram of 1 MiB was taken")
	}
	testDatagram(t, a, b)
}

// testDatagramContext checks that a call which was given up takes no datagram with
// it: the next call receives.
func testDatagramContext(t *testing.T, a, b transport.Conn) {
	d := as[transport.DatagramConn](t, b)
	_, err := d.ReceiveDatagram(ended(t))
	wantIs(t, err, context.Canceled)

	reason := errors.New("the caller's reason")
	ctx, cancel := context.WithCancelCause(t.Context())
	wait := blocked(t, func() ([]byte, error) { return d.ReceiveDatagram(ctx) })
	cancel(reason)
	_, err = wait()
	wantIs(t, err, reason)
	testDatagram(t, a, b)
}

// testDatagramClose checks that a goroutine that only receives datagrams notices the
// end of the connection.
func testDatagramClose(t *testing.T, a, b transport.Conn) {
	from, to := as[transport.DatagramConn](t, a), as[transport.DatagramConn](t, b)
	ctx := within(t)
	wait := blocked(t, func() ([]byte, error) { return to.ReceiveDatagram(ctx) })
	do(t, a.CloseWithError(2, "enough"))
	_, err := wait()
	wantConnError(t, err, 2, "enough", true)
	wantConnError(t, from.SendDatagram([]byte("x")), 2, "enough", false)
}
