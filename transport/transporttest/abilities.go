package transporttest

import (
	"sync/atomic"
	"testing"
	"time"

	"github.com/moqlite/moqlite/transport"
)

var abilityCases = []connCase{
	{name: "NotifyFinalSize tells of the end", run: testFinalSizeEnd},
	{name: "NotifyFinalSize tells of a reset", run: testFinalSizeReset},
	{name: "NotifyFinalSize tells of the answer to CancelRead", run: testFinalSizeCancelRead},
	{name: "NotifyFinalSize tells of what was before", run: testFinalSizeLate},
	{name: "SetPriority loses nothing", run: testPriority},
	{name: "SetReliableBoundary keeps what was written before a reset", run: testReliableBoundary},
	{name: "Stats count", run: testStats},
}

// notified has r report its final size on a channel, and fails on a second
// report.
func notified(t *testing.T, r transport.ReceiveStream) <-chan struct{} {
	t.Helper()
	n, ok := r.(transport.FinalSizeNotifier)
	if !ok {
		t.Skip("no FinalSizeNotifier")
	}
	var calls atomic.Int32
	done := make(chan struct{}, 1)
	n.NotifyFinalSize(func() {
		if calls.Add(1) == 1 {
			done <- struct{}{}
		}
	})
	t.Cleanup(func() {
		if c := calls.Load(); c > 1 {
			t.Errorf("notified %d times", c)
		}
	})
	return done
}

func wantNotified(t *testing.T, done <-chan struct{}) {
	t.Helper()
	select {
	case <-done:
	case <-time.After(patience):
		t.Fatal("not notified")
	}
}

func testFinalSizeEnd(t *testing.T, a, b transport.Conn) {
	w, r := uni(t, a, b)
	done := notified(t, r)
	write(t, w, "unread")
	select {
	case <-done:
		t.Fatal("notified of an open stream")
	case <-time.After(moment):
	}
	do(t, w.Close())
	wantNotified(t, done)
	read(t, r, "unread")
	wantEOF(t, r)
}

func testFinalSizeReset(t *testing.T, a, b transport.Conn) {
	w, r := uni(t, a, b)
	done := notified(t, r)
	w.CancelWrite(1)
	wantNotified(t, done)
	wantStreamError(t, readError(r), 1, true)
}

func testFinalSizeCancelRead(t *testing.T, a, b transport.Conn) {
	w, r := uni(t, a, b)
	done := notified(t, r)
	r.CancelRead(1)
	wantNotified(t, done)
	wantStreamError(t, wantCause(t, w.Context()), 1, true)
}

func testFinalSizeLate(t *testing.T, a, b transport.Conn) {
	w, r := uni(t, a, b)
	do(t, w.Close())
	wantEOF(t, r)
	wantNotified(t, notified(t, r))
}

func testPriority(t *testing.T, a, b transport.Conn) {
	w, r := uni(t, a, b)
	p, ok := w.(transport.Prioritizer)
	if !ok {
		t.Skip("no Prioritizer")
	}
	data := pattern(8*30_000, 1)
	sent := async(t, func() (int, error) {
		for i := range 8 {
			p.SetPriority(int8(i), i%2 == 0)
			if _, err := w.Write(data[i*30_000 : (i+1)*30_000]); err != nil {
				return i, err
			}
		}
		err := w.Close()
		p.SetPriority(0, false)
		return 8, err
	})
	do(t, wantBytes(r, data))
	must[int](t)(sent())
}

func testReliableBoundary(t *testing.T, a, b transport.Conn) {
	w, r := uni(t, a, b)
	rr, ok := w.(transport.ReliableResetter)
	if !ok {
		t.Skip("no ReliableResetter")
	}
	write(t, w, "promised")
	rr.SetReliableBoundary()
	write(t, w, "not promised")
	w.CancelWrite(1)
	read(t, r, "promised")
	wantStreamError(t, readError(r), 1, true)
}

func testStats(t *testing.T, a, b transport.Conn) {
	from, ok := a.(transport.StatsConn)
	to, ok2 := b.(transport.StatsConn)
	if !ok || !ok2 {
		t.Skip("no StatsConn")
	}
	const size = 100_000
	sentBefore, receivedBefore := from.Stats(), to.Stats()
	w, r := uni(t, a, b)
	sent := async(t, func() (int, error) { return 0, send(w, pattern(size, 1)) })
	do(t, wantBytes(r, pattern(size, 1)))
	must[int](t)(sent())

	if s := from.Stats(); s.BytesSent-sentBefore.BytesSent < size || s.PacketsSent <= sentBefore.PacketsSent {
		t.Errorf("the sender counts %+v after %+v", s, sentBefore)
	}
	if s := to.Stats(); s.BytesReceived-receivedBefore.BytesReceived < size || s.PacketsReceived <= receivedBefore.PacketsReceived {
		t.Errorf("the receiver counts %+v after %+v", s, receivedBefore)
	}
}
