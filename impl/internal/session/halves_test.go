package session_test

import (
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/moqlite/moqlite/api"
	"github.com/moqlite/moqlite/impl/internal/message"
	"github.com/moqlite/moqlite/impl/internal/session"
	"github.com/moqlite/moqlite/transport"
)

// TestIncompleteMessages: a peer sends many control messages but for their last byte. The
// session holds 2 MiB of them, refuses the rest, and still answers a request.
func TestIncompleteMessages(t *testing.T) {
	const streams, most = 200, 2 << 20
	inBubble(t, api.Lite06, api.NewTrackMux(), func(p *rawPeer, _ *session.Session) {
		half := message.VersionByName(string(api.Lite06)).AppendVarint([]byte{2}, message.MaxBody)
		half = append(half, make([]byte, message.MaxBody-1)...)
		codes := make(map[uint64]int)
		var mu sync.Mutex
		for range streams {
			st, err := p.conn.OpenStream(p.t.Context())
			if err != nil {
				t.Fatal(err)
			}
			go func() { _, _ = st.Write(half) }()
			go func() {
				_, err := st.Read(make([]byte, 1))
				if reset, ok := errors.AsType[*transport.StreamError](err); ok {
					mu.Lock()
					codes[reset.Code]++
					mu.Unlock()
				}
			}()
		}
		synctest.Wait()
		mu.Lock()
		held := streams - codes[uint64(api.StreamNoCapacity)]
		mu.Unlock()
		if held < 1 || held > most/(message.MaxBody/2) {
			t.Errorf("%d of %d messages are held", held, streams)
		}
		p.expectReset(p.bidi("06 0b 0464656d6f 05766964656f"), uint64(api.StreamUnroutable))
		time.Sleep(time.Minute)
		synctest.Wait()
		if n := codes[uint64(api.StreamNoCapacity)] + held; n != streams {
			t.Errorf("%d more were refused", n-streams)
		}
		// There is room again.
		st, err := p.conn.OpenStream(p.t.Context())
		if err != nil {
			t.Fatal(err)
		}
		go func() { _, _ = st.Write(append(half, 0)) }()
		p.expectReset(st, uint64(api.StreamCancelled)) // it is malformed
	})
}
