package transporttest

import (
	"io"
	"net"
	"testing"

	"github.com/moqlite/moqlite/transport"
)

var resetCases = []connCase{
	{name: "CancelWrite reaches the reader with its code", run: testCancelWrite},
	{name: "CancelWrite releases a blocked Read of the peer", run: testCancelWriteReleasesRead},
	{name: "CancelWrite counts once", run: testCancelWriteTwice},
	{name: "CancelWrite works after Close", run: testCancelWriteAfterClose},
	{name: "Close does nothing after CancelWrite", run: testCloseAfterCancelWrite},
	{name: "CancelRead reaches the writer with its code", run: testCancelRead},
	{name: "CancelRead releases a blocked Read", run: testCancelReadReleasesRead},
	{name: "CancelRead counts once", run: testCancelReadTwice},
	{name: "CancelRead does nothing after the end was read", run: testCancelReadAfterEnd},
	{name: "Write fails after Close with net.ErrClosed", run: testWriteAfterClose},
	{name: "a reset of one half leaves the other", run: testResetOneHalf},
	{name: "both halves of a stream can be reset", run: testResetBothHalves},
	{name: "resets leave other streams alone", run: testResetLeavesOthers},
}

func testCancelWrite(t *testing.T, a, b transport.Conn) {
	for _, code := range streamCodes {
		w, r := uni(t, a, b)
		w.CancelWrite(code)
		wantStreamError(t, readError(r), code, true)
		wantStreamError(t, readError(r), code, true)
		_, err := w.Write([]byte("x"))
		wantStreamError(t, err, code, false)
		wantCause(t, w.Context())
	}
}

func testCancelWriteReleasesRead(t *testing.T, a, b transport.Conn) {
	w, r := uni(t, a, b)
	wait := blocked(t, func() (int, error) { return r.Read(make([]byte, 1)) })
	w.CancelWrite(9)
	_, err := wait()
	wantStreamError(t, err, 9, true)
}

func testCancelWriteTwice(t *testing.T, a, b transport.Conn) {
	w, r := uni(t, a, b)
	w.CancelWrite(4)
	w.CancelWrite(5)
	wantStreamError(t, readError(r), 4, true)
	_, err := w.Write([]byte("x"))
	wantStreamError(t, err, 4, false)
}

// The reader gets the end or the reset, whichever arrived first.
func testCancelWriteAfterClose(t *testing.T, a, b transport.Conn) {
	w, r := uni(t, a, b)
	write(t, w, "late")
	do(t, w.Close())
	w.CancelWrite(0x34)
	if err := readError(r); err != io.EOF {
		wantStreamError(t, err, 0x34, true)
	}
}

func testCloseAfterCancelWrite(t *testing.T, a, b transport.Conn) {
	w, r := uni(t, a, b)
	w.CancelWrite(4)
	do(t, w.Close())
	wantStreamError(t, readError(r), 4, true)
}

func testCancelRead(t *testing.T, a, b transport.Conn) {
	for _, code := range streamCodes {
		w, r := uni(t, a, b)
		ctx := w.Context()
		r.CancelRead(code)
		wantStreamError(t, wantCause(t, ctx), code, true)
		wantStreamError(t, writeError(w), code, true)
		wantStreamError(t, readError(r), code, false)
	}
}

func testCancelReadReleasesRead(t *testing.T, a, b transport.Conn) {
	_, r := uni(t, a, b)
	wait := blocked(t, func() (int, error) { return r.Read(make([]byte, 1)) })
	r.CancelRead(9)
	_, err := wait()
	wantStreamError(t, err, 9, false)
}

func testCancelReadTwice(t *testing.T, a, b transport.Conn) {
	w, r := uni(t, a, b)
	r.CancelRead(4)
	r.CancelRead(5)
	wantStreamError(t, writeError(w), 4, true)
	wantStreamError(t, readError(r), 4, false)
}

func testCancelReadAfterEnd(t *testing.T, a, b transport.Conn) {
	w, r := uni(t, a, b)
	do(t, w.Close())
	wantEOF(t, r)
	r.CancelRead(4)
	wantEOF(t, r)
}

func testWriteAfterClose(t *testing.T, a, b transport.Conn) {
	w, r := uni(t, a, b)
	do(t, w.Close())
	n, err := w.Write([]byte("x"))
	if n != 0 {
		t.Errorf("Write took %d bytes after Close", n)
	}
	wantIs(t, err, net.ErrClosed)
	wantEOF(t, r)
}

func testResetOneHalf(t *testing.T, a, b transport.Conn) {
	x, y := bidi(t, a, b)
	x.CancelWrite(7)
	wantStreamError(t, readError(y), 7, true)
	write(t, y, "the other half")
	read(t, x, "the other half")

	x, y = bidi(t, a, b)
	y.CancelRead(8)
	wantStreamError(t, writeError(x), 8, true)
	write(t, y, "the other half")
	read(t, x, "the other half")
}

func testResetBothHalves(t *testing.T, a, b transport.Conn) {
	x, y := bidi(t, a, b)
	x.CancelWrite(7)
	x.CancelRead(8)
	wantStreamError(t, readError(y), 7, true)
	wantStreamError(t, writeError(y), 8, true)
}

func testResetLeavesOthers(t *testing.T, a, b transport.Conn) {
	w1, r1 := uni(t, a, b)
	w2, r2 := uni(t, a, b)
	w3, r3 := uni(t, a, b)
	w1.CancelWrite(1)
	r2.CancelRead(2)
	wantStreamError(t, readError(r1), 1, true)
	wantStreamError(t, writeError(w2), 2, true)
	write(t, w3, "unharmed")
	read(t, r3, "unharmed")
}
