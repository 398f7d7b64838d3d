package transporttest

import (
	"os"
	"testing"
	"time"

	"github.com/moqlite/moqlite/transport"
)

// deadlineCases check deadlines, which are those of net.Conn: they hold for calls
// that wait and for later ones, and can be moved or removed at any time.
var deadlineCases = []connCase{
	{name: "a read deadline in the past fails at once", run: testPastReadDeadline},
	{name: "a read deadline in the past goes before what is there", run: testPastReadDeadlineGoesFirst},
	{name: "a read deadline ends a blocked Read when it comes", run: testFutureReadDeadline},
	{name: "a read deadline set later releases a blocked Read", run: testReadDeadlineReleases},
	{name: "a read deadline that is removed holds nobody up", run: testRemovedReadDeadline},
	{name: "a write deadline in the past takes nothing", run: testPastWriteDeadline},
	{name: "a write deadline that is removed holds nobody up", run: testRemovedWriteDeadline},
}

// testPastReadDeadline checks that a deadline is no end: the stream goes on when it
// is removed, with nothing lost.
func testPastReadDeadline(t *testing.T, a, b transport.Conn) {
	w, r := uni(t, a, b)
	do(t, r.SetReadDeadline(time.Now().Add(-time.Second)))
	n, err := r.Read(make([]byte, 1))
	if n != 0 {
		t.Errorf("Read gave %d bytes", n)
	}
	wantIs(t, err, os.ErrDeadlineExceeded)

	hurryRead(t, r)
	write(t, w, "afterwards")
	read(t, r, "afterwards")
}

// testPastReadDeadlineGoesFirst checks that a deadline that has passed counts even if
// data is there. Whoever sets one to stop a reader relies on it: a peer that never
// stops sending would otherwise keep the reader going.
func testPastReadDeadlineGoesFirst(t *testing.T, a, b transport.Conn) {
	w, r := uni(t, a, b)
	write(t, w, "read what is there")
	read(t, r, "read ")
	do(t, r.SetReadDeadline(time.Now().Add(-time.Second)))
	n, err := r.Read(make([]byte, 100))
	if n != 0 {
		t.Errorf("Read gave %d bytes", n)
	}
	wantIs(t, err, os.ErrDeadlineExceeded)

	hurryRead(t, r)
	read(t, r, "what is there")
}

// testFutureReadDeadline checks that a Read does not give up early, and that the
// deadline holds for the next Read too.
func testFutureReadDeadline(t *testing.T, a, b transport.Conn) {
	w, r := uni(t, a, b)
	start := time.Now()
	do(t, r.SetReadDeadline(start.Add(moment)))
	_, err := r.Read(make([]byte, 1))
	wantIs(t, err, os.ErrDeadlineExceeded)
	if d := time.Since(start); d < moment {
		t.Errorf("Read gave up after %v of %v", d, moment)
	}
	_, err = r.Read(make([]byte, 1))
	wantIs(t, err, os.ErrDeadlineExceeded)

	hurryRead(t, r)
	write(t, w, "afterwards")
	read(t, r, "afterwards")
}

// testReadDeadlineReleases checks that a deadline reaches a Read that has begun
// without one. It is how a reader is stopped whose call takes no context.
func testReadDeadlineReleases(t *testing.T, a, b transport.Conn) {
	_, r := uni(t, a, b)
	do(t, r.SetReadDeadline(time.Time{}))
	wait := blocked(t, func() (int, error) { return r.Read(make([]byte, 1)) })
	do(t, r.SetReadDeadline(time.Now()))
	_, err := wait()
	wantIs(t, err, os.ErrDeadlineExceeded)
}

// testRemovedReadDeadline checks that nothing is left of a deadline that was removed
// in time, such as a timer that still ends the next call.
func testRemovedReadDeadline(t *testing.T, a, b transport.Conn) {
	w, r := uni(t, a, b)
	do(t, r.SetReadDeadline(time.Now().Add(moment)))
	do(t, r.SetReadDeadline(time.Time{}))
	wait := blocked(t, func() (int, error) { return r.Read(make([]byte, 1)) })
	// The deadline that was removed passes meanwhile.
	time.Sleep(moment)
	write(t, w, "x")
	if n := must[int](t)(wait()); n != 1 {
		t.Errorf("Read %d bytes, want 1", n)
	}
}

// testPastWriteDeadline checks that Write takes nothing once its deadline has passed,
// even where there is room: the number of bytes that it returns is where the next
// Write has to go on.
func testPastWriteDeadline(t *testing.T, a, b transport.Conn) {
	w, r := uni(t, a, b)
	do(t, w.SetWriteDeadline(time.Now().Add(-time.Second)))
	n, err := w.Write([]byte("never"))
	if n != 0 {
		t.Errorf("Write took %d bytes", n)
	}
	wantIs(t, err, os.ErrDeadlineExceeded)

	hurryWrite(t, w)
	write(t, w, "afterwards")
	do(t, w.Close())
	do(t, wantBytes(r, []byte("afterwards")))
}

// testRemovedWriteDeadline is testRemovedReadDeadline for Write, with a deadline that
// had passed already.
func testRemovedWriteDeadline(t *testing.T, a, b transport.Conn) {
	w, r := uni(t, a, b)
	do(t, w.SetWriteDeadline(time.Now()))
	do(t, w.SetWriteDeadline(time.Time{}))
	write(t, w, "no hurry")
	read(t, r, "no hurry")
}
