package transporttest

import (
	"net"
	"testing"

	"github.com/moqlite/moqlite/transport"
)

// abilityCases check what a stream or a connection can do beyond the contract, where
// Options say that it can. Sessions look for these abilities by transport.As, and
// work without them, more slowly.
var abilityCases = []connCase{
	{name: "SetPriority loses nothing", a: Priorities, run: testPriority},
	{name: "TryWrite takes what it can, in order", a: TryWrites, run: testTryWrite},
	{name: "TryWrite fails as Write does", a: TryWrites, run: testTryWriteFails},
	{name: "Stats count", a: Statistics, b: Statistics, run: testStats},
}

// testPriority changes the priority of a stream while it is written, and after its
// end, as a session does whenever the ranks of its groups change. What is sent must
// not depend on it, only when.
func testPriority(t *testing.T, a, b transport.Conn) {
	w, r := uni(t, a, b)
	p := as[transport.Prioritizer](t, w)
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

// testTryWrite alternates between TryWrite and, for what that did not take,
// Write.
func testTryWrite(t *testing.T, a, b transport.Conn) {
	w, r := uni(t, a, b)
	data := pattern(200_000, 1)
	tries := as[transport.TryWriter](t, w)
	sent := async(t, func() (int, error) {
		// The sizes grow across what a packet holds, from where
		// implementations take less than all.
		for left, size := data, 100; len(left) > 0; size += 300 {
			chunk := left[:min(size, len(left))]
			n, err := tries.TryWrite(chunk)
			if err == nil {
				_, err = w.Write(chunk[n:])
			}
			if err != nil {
				return 0, err
			}
			left = left[len(chunk):]
		}
		return 0, w.Close()
	})
	do(t, wantBytes(r, data))
	must[int](t)(sent())
}

// testTryWriteFails checks that TryWrite tells by the same errors as Write that a
// stream is over: a writer that uses both must not have to look for two.
func testTryWriteFails(t *testing.T, a, b transport.Conn) {
	try := func(w transport.SendStream) error {
		n, err := as[transport.TryWriter](t, w).TryWrite([]byte("x"))
		if n != 0 {
			t.Errorf("took %d bytes", n)
		}
		return err
	}
	w, r := uni(t, a, b)
	do(t, w.Close())
	// First a stream that this end has closed, then one that it has reset, one
	// that the peer has refused, and one whose connection the peer has closed.
	wantIs(t, try(w), net.ErrClosed)
	wantEOF(t, r)

	w, _ = uni(t, a, b)
	w.CancelWrite(7)
	wantStreamError(t, try(w), 7, false)

	w, r = uni(t, a, b)
	r.CancelRead(8)
	wantCause(t, w.Context())
	wantStreamError(t, try(w), 8, true)

	w, _ = uni(t, a, b)
	do(t, b.CloseWithError(2, "enough"))
	wantCause(t, a.Context())
	wantConnError(t, try(w), 2, "enough", true)
}

// testStats checks that the counters grow by what is sent, at the end that counts it.
// How much more is counted, for headers and for what is sent again, is up to the
// transport.
func testStats(t *testing.T, a, b transport.Conn) {
	from, to := as[transport.StatsConn](t, a), as[transport.StatsConn](t, b)
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
