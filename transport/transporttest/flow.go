package transporttest

import (
	"net"
	"os"
	"testing"
	"time"

	"github.com/moqlite/moqlite/transport"
)

// flowCases check flow control: what blocks a writer, everything that releases it
// again, and that no stream takes the credit of another with it.
var flowCases = []connCase{
	{name: "a reader releases a blocked Write by reading", run: testReadingReleases},
	{name: "CancelRead releases a blocked Write of the peer", run: testCancelReadReleasesWrite},
	{name: "CancelWrite releases a blocked Write", run: testCancelWriteReleasesWrite},
	{name: "Close releases a blocked Write", run: testCloseReleasesWrite},
	{name: "a write deadline tells how much a blocked Write took", run: testPartialWrite},
	{name: "a write deadline set later releases a blocked Write", run: testWriteDeadlineReleases},
	{name: "closing the connection here releases a blocked Write", run: testLocalCloseReleasesWrite},
	{name: "closing the connection there releases a blocked Write", run: testRemoteCloseReleasesWrite},
	{name: "closing does not wait for a peer that reads nothing", run: testCloseIsPrompt},
	{name: "an unread stream does not hold up another", run: testUnreadStream},
	{name: "an abandoned stream gives its credit back", run: testAbandonedCredit},
	{name: "a stream that is reset unread gives its credit back", run: testResetCredit},
}

// stuck starts a Write of more bytes than any window holds, and waits until it
// blocks.
func stuck(t *testing.T, w transport.SendStream) (wait func() (int, error)) {
	t.Helper()
	data := pattern(plenty, 1)
	return blocked(t, func() (int, error) { return w.Write(data) })
}

// testReadingReleases checks that a Write of more than all windows completes while
// the peer reads, and that Write reports all of it.
func testReadingReleases(t *testing.T, a, b transport.Conn) {
	w, r := uni(t, a, b)
	wait := stuck(t, w)
	got := async(t, func() (int, error) { return 0, wantBytes(r, pattern(plenty, 1)) })
	if n := must[int](t)(wait()); n != plenty {
		t.Errorf("Write took %d bytes, want %d", n, plenty)
	}
	do(t, w.Close())
	must[int](t)(got())
}

// testCancelReadReleasesWrite checks that a reader that has lost interest frees the
// writer, which otherwise waits for credit that never comes.
func testCancelReadReleasesWrite(t *testing.T, a, b transport.Conn) {
	w, r := uni(t, a, b)
	wait := stuck(t, w)
	r.CancelRead(0x33)
	n, err := wait()
	wantStreamError(t, err, 0x33, true)
	wantPartial(t, n)
}

// testCancelWriteReleasesWrite checks that another goroutine can give up a write: a
// session resets groups that are too old while they are being written.
func testCancelWriteReleasesWrite(t *testing.T, a, b transport.Conn) {
	w, r := uni(t, a, b)
	wait := stuck(t, w)
	w.CancelWrite(0x34)
	n, err := wait()
	wantStreamError(t, err, 0x34, false)
	wantPartial(t, n)
	wantStreamError(t, readError(r), 0x34, true)
}

// What was taken before Close arrives, and nothing else.
func testCloseReleasesWrite(t *testing.T, a, b transport.Conn) {
	w, r := uni(t, a, b)
	wait := stuck(t, w)
	do(t, w.Close())
	n, err := wait()
	wantIs(t, err, net.ErrClosed)
	wantPartial(t, n)
	do(t, wantBytes(r, pattern(plenty, 1)[:n]))
}

// testPartialWrite checks that the number of bytes that a Write returns with its
// error is exact: from there the writer goes on, and the reader must see no gap and
// nothing twice.
func testPartialWrite(t *testing.T, a, b transport.Conn) {
	w, r := uni(t, a, b)
	data := pattern(plenty, 1)
	do(t, w.SetWriteDeadline(time.Now().Add(4*moment)))
	n, err := w.Write(data)
	wantIs(t, err, os.ErrDeadlineExceeded)
	wantPartial(t, n)

	// The rest is sent where the Write has stopped.
	hurryWrite(t, w)
	rest := async(t, func() (int, error) { return 0, send(w, data[n:]) })
	do(t, wantBytes(r, data))
	must[int](t)(rest())
}

// testWriteDeadlineReleases checks that a deadline reaches a Write that has begun
// without one. Sessions interrupt writes in this way when something more urgent is to
// be sent.
func testWriteDeadlineReleases(t *testing.T, a, b transport.Conn) {
	w, _ := uni(t, a, b)
	do(t, w.SetWriteDeadline(time.Time{}))
	wait := stuck(t, w)
	do(t, w.SetWriteDeadline(time.Now()))
	n, err := wait()
	wantIs(t, err, os.ErrDeadlineExceeded)
	wantPartial(t, n)
}

// testLocalCloseReleasesWrite checks that a close does not leave a writer behind that
// waits for a peer that is gone.
func testLocalCloseReleasesWrite(t *testing.T, a, b transport.Conn) {
	w, _ := uni(t, a, b)
	wait := stuck(t, w)
	do(t, a.CloseWithError(2, "enough"))
	_, err := wait()
	wantConnError(t, err, 2, "enough", false)
}

// testRemoteCloseReleasesWrite is the same at the other end of the close.
func testRemoteCloseReleasesWrite(t *testing.T, a, b transport.Conn) {
	w, _ := uni(t, a, b)
	wait := stuck(t, w)
	do(t, b.CloseWithError(2, "enough"))
	_, err := wait()
	wantConnError(t, err, 2, "enough", true)
}

// The contract allows a second; the rest is for slow machines.
func testCloseIsPrompt(t *testing.T, a, b transport.Conn) {
	w, _ := uni(t, a, b)
	wait := stuck(t, w)
	start := time.Now()
	do(t, a.CloseWithError(0x10, "going away"))
	if d := time.Since(start); d > 2*time.Second {
		t.Errorf("CloseWithError took %v", d)
	}
	_, err := wait()
	wantConnError(t, err, 0x10, "going away", false)
}

// testUnreadStream checks that a stream that nobody reads holds up no other one,
// although all share the window of the connection: a slow reader of one track must
// not stop the others.
func testUnreadStream(t *testing.T, a, b transport.Conn) {
	w1, _ := uni(t, a, b)
	w2, r2 := uni(t, a, b)
	// It stays blocked until the connection is closed, at the end of the case.
	stuck(t, w1)
	data := pattern(plenty, 2)
	sent := async(t, func() (int, error) { return 0, send(w2, data) })
	do(t, wantBytes(r2, data))
	must[int](t)(sent())
}

// If the credit of abandoned streams were lost, a later stream would block.
func testAbandonedCredit(t *testing.T, a, b transport.Conn) {
	for range 40 {
		w, r := uni(t, a, b)
		do(t, w.SetWriteDeadline(time.Now().Add(moment/10)))
		n, err := w.Write(make([]byte, plenty))
		wantPartial(t, n)
		wantIs(t, err, os.ErrDeadlineExceeded)
		r.CancelRead(5)
		wantStreamError(t, wantCause(t, w.Context()), 5, true)
	}
	testReadingReleases(t, a, b)
}

// testResetCredit is testAbandonedCredit for streams that their writer gives up. The
// bytes that have not arrived count against the connection's window until the reset
// says how many were sent.
func testResetCredit(t *testing.T, a, b transport.Conn) {
	for range 40 {
		w, r := uni(t, a, b)
		do(t, w.SetWriteDeadline(time.Now().Add(moment/10)))
		n, err := w.Write(make([]byte, plenty))
		wantPartial(t, n)
		wantIs(t, err, os.ErrDeadlineExceeded)
		w.CancelWrite(5)
		wantStreamError(t, readError(r), 5, true)
	}
	testReadingReleases(t, a, b)
}

// wantPartial fails the test unless n is what a Write can have taken that was cut
// short.
func wantPartial(t *testing.T, n int) {
	t.Helper()
	if n < 0 || n >= plenty {
		t.Fatalf("Write took %d bytes, want a part of %d", n, plenty)
	}
}
