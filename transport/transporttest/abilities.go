package transporttest

import (
	"testing"

	"github.com/moqlite/moqlite/transport"
)

var abilityCases = []connCase{
	{name: "SetPriority loses nothing", run: testPriority},
	{name: "Stats count", run: testStats},
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
