package transporttest

import (
	"os"
	"testing"
	"time"

	"github.com/moqlite/moqlite/transport"
)

var deadlineCases = []connCase{
	{name: "a read deadline in the past fails at once", run: testPastReadDeadline},
	{name: "a read deadline in the past goes before what is there", run: testPastReadDeadlineGoesFirst},
	{name: "a read deadline ends a blocked Read when it comes", run: testFutureReadDeadline},
	{name: "a read deadline set later releases a blocked Read", run: testReadDeadlineReleases},
	{name: "a read deadline that is removed holds nobody up", run: testRemovedReadDeadline},
	{name: "a write deadline in the past takes nothing", run: testPastWriteDeadline},
	{name: "a write deadline that is removed holds nobody up", run: testRemovedWriteDeadline},
}

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

func testReadDeadlineReleases(t *testing.T, a, b transport.Conn) {
	_, r := uni(t, a, b)
	do(t, r.SetReadDeadline(time.Time{}))
	wait := blocked(t, func() (int, error) { return r.Read(make([]byte, 1)) })
	do(t, r.SetReadDeadline(time.Now()))
	_, err := wait()
	wantIs(t, err, os.ErrDeadlineExceeded)
}

func testRemovedReadDeadline(t *testing.T, a, b transport.Conn) {
	w, r := uni(t, a, b)
	do(t, r.SetReadDeadline(time.Now().Add(moment)))
	do(t, r.SetReadDeadline(time.Time{}))
	wait := blocked(t, func() (int, error) { return r.Read(make([]byte, 1)) })
	time.Sleep(moment)
	write(t, w, "x")
	if n := must[int](t)(wait()); n != 1 {
		t.Errorf("Read %d bytes, want 1", n)
	}
}

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

func testRemovedWriteDeadline(t *testing.T, a, b transport.Conn) {
	w, r := uni(t, a, b)
	do(t, w.SetWriteDeadline(time.Now()))
	do(t, w.SetWriteDeadline(time.Time{}))
	write(t, w, "no hurry")
	read(t, r, "no hurry")
}
