package transporttest

import (
	"io"
	"net"
	"testing"

	"github.com/moqlite/moqlite/transport"
)

// resetCases check resets and refusals: that a code arrives unchanged, which of
// several counts, and that nothing but the one half is affected.
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

// testCancelWrite checks that the reader gets the writer's code, at every later Read
// too, and that the error tells at each end which side has reset the stream.
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

// testCancelWriteReleasesRead checks that a reader does not wait for data of a writer
// that has given up.
func testCancelWriteReleasesRead(t *testing.T, a, b transport.Conn) {
	w, r := uni(t, a, b)
	wait := blocked(t, func() (int, error) { return r.Read(make([]byte, 1)) })
	w.CancelWrite(9)
	_, err := wait()
	wantStreamError(t, err, 9, true)
}

// testCancelWriteTwice checks that the first code counts: several goroutines may
// reset a stream, each for a reason of its own.
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
	// Close is a promise only as long as nobody resets the stream: its data may
	// still be on the way, or lost.
	if err := readError(r); err != io.EOF {
		wantStreamError(t, err, 0x34, true)
	}
}

// testCloseAfterCancelWrite checks that a deferred Close does not make a stream look
// complete that was reset.
func testCloseAfterCancelWrite(t *testing.T, a, b transport.Conn) {
	w, r := uni(t, a, b)
	w.CancelWrite(4)
	do(t, w.Close())
	wantStreamError(t, readError(r), 4, true)
}

// testCancelRead checks that the writer gets the reader's code, by its context and by
// Write. A publisher that writes nothing at the moment learns by the context that
// nobody reads.
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

// testCancelReadReleasesRead checks that a Read in another goroutine can be stopped
// for good.
func testCancelReadReleasesRead(t *testing.T, a, b transport.Conn) {
	_, r := uni(t, a, b)
	wait := blocked(t, func() (int, error) { return r.Read(make([]byte, 1)) })
	r.CancelRead(9)
	_, err := wait()
	wantStreamError(t, err, 9, false)
}

// testCancelReadTwice is testCancelWriteTwice for refusals.
func testCancelReadTwice(t *testing.T, a, b transport.Conn) {
	w, r := uni(t, a, b)
	r.CancelRead(4)
	r.CancelRead(5)
	wantStreamError(t, writeError(w), 4, true)
	wantStreamError(t, readError(r), 4, false)
}

// testCancelReadAfterEnd checks that a deferred CancelRead after the whole stream was
// read refuses nothing.
func testCancelReadAfterEnd(t *testing.T, a, b transport.Conn) {
	w, r := uni(t, a, b)
	do(t, w.Close())
	wantEOF(t, r)
	r.CancelRead(4)
	wantEOF(t, r)
}

// testWriteAfterClose checks that nothing follows the end, and that the error can be
// told from a refusal by the peer.
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

// testResetOneHalf checks that a request can be given up while its answer goes on,
// and the other way round.
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

// testResetBothHalves checks that each half keeps the code that it was given.
func testResetBothHalves(t *testing.T, a, b transport.Conn) {
	x, y := bidi(t, a, b)
	x.CancelWrite(7)
	x.CancelRead(8)
	wantStreamError(t, readError(y), 7, true)
	wantStreamError(t, writeError(y), 8, true)
}

// testResetLeavesOthers checks that the end of one group is not the end of another.
func testResetLeavesOthers(t *testing.T, a, b transport.Conn) {
	w1, r1 := uni(t, a, b)
	w2, r2 := uni(t, a, b)
	w3, r3 := uni(t, a, b)
	// One is reset by its writer and one by its reader; the third is in use
	// meanwhile.
	w1.CancelWrite(1)
	r2.CancelRead(2)
	wantStreamError(t, readError(r1), 1, true)
	wantStreamError(t, writeError(w2), 2, true)
	write(t, w3, "unharmed")
	read(t, r3, "unharmed")
}
