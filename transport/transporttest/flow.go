package transporttest

import (
	"net"
	"os"
	"testing"
	"time"

	"github.com/moqlite/moqlite/transport"
)

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

func testCancelReadReleasesWrite(t *testing.T, a, b transport.Conn) {
	w, r := uni(t, a, b)
	wait := stuck(t, w)
	r.CancelRead(0x33)
	n, err := wait()
	wantStreamError(t, err, 0x33, true)
	wantPartial(t, n)
}

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

func testPartialWrite(t *testing.T, a, b transport.Conn) {
	w, r := uni(t, a, b)
	data := pattern(plenty, 1)
	do(t, w.SetWriteDeadline(time.Now().Add(4*moment)))
	n, err := w.Write(data)
	wantIs(t, err, os.ErrDeadlineExceeded)
	wantPartial(t, n)

	hurryWrite(t, w)
	rest := async(t, func() (int, error) { return 0, send(w, data[n:]) })
	do(t, wantBytes(r, data))
	must[int](t)(rest())
}

func testWriteDeadlineReleases(t *testing.T, a, b transport.Conn) {
	w, _ := uni(t, a, b)
	do(t, w.SetWriteDeadline(time.Time{}))
	wait := stuck(t, w)
	do(t, w.SetWriteDeadline(time.Now()))
	n, err := wait()
	wantIs(t, err, os.ErrDeadlineExceeded)
	wantPartial(t, n)
}

func testLocalCloseReleasesWrite(t *testing.T, a, b transport.Conn) {
	w, _ := uni(t, a, b)
	wait := stuck(t, w)
	do(t, a.CloseWithError(2, "enough"))
	_, err := wait()
	wantConnError(t, err, 2, "enough", false)
}

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

func testUnreadStream(t *testing.T, a, b transport.Conn) {
	w1, _ := uni(t, a, b)
	w2, r2 := uni(t, a, b)
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

func wantPartial(t *testing.T, n int) {
	t.Helper()
	if n < 0 || n >= plenty {
		t.Fatalf("Write took %d bytes, want a part of %d", n, plenty)
	}
}
