package session_test

import (
	"fmt"
	"io"
	"testing"
	"testing/synctest"

	"github.com/moqlite/moqlite/api"
	"github.com/moqlite/moqlite/impl/internal/session"
)

// acceptBidi accepts streams of the session until one begins with the given byte, and
// returns it with the rest of its first message.
func (p *rawPeer) acceptBidi(kind byte) (st io.ReadWriter, message []byte) {
	p.t.Helper()
	for {
		st, err := p.conn.AcceptStream(p.t.Context())
		if err != nil {
			p.t.Fatal(err)
		}
		head := make([]byte, 2) // the type, and a length of one byte
		if _, err := io.ReadFull(st, head); err != nil {
			p.t.Fatal(err)
		}
		message = make([]byte, head[1])
		if _, err := io.ReadFull(st, message); err != nil {
			p.t.Fatal(err)
		}
		if head[0] == kind {
			return st, message
		}
	}
}

// TestStartGroupOnTheWire: a start group of 0 asks for group 0, even in versions where a 0
// on the wire means the latest.
func TestStartGroupOnTheWire(t *testing.T) {
	for _, v := range api.Versions() {
		for start, wants := range map[api.GroupSequence][2]byte{ // on 03 to 05, and on 06
			0:               {1, 0},
			3:               {4, 3},
			api.GroupLatest: {0, 0},
		} {
			t.Run(fmt.Sprintf("%s/%d", v, start), func(t *testing.T) {
				inBubble(t, v, api.NewTrackMux(), func(p *rawPeer, s *session.Session) {
					go func() { _, _ = s.Subscribe(p.t.Context(), "demo", "video", &api.SubscribeConfig{StartGroup: start}) }()
					_, m := p.acceptBidi(2)
					got, want := m[len(m)-2], wants[0] // before the end group
					if v == api.Lite06 {
						got, want = m[len(m)-4], wants[1] // and before two frames
					}
					if got != want {
						t.Errorf("start group %d in % x, want %d", got, m, want)
					}
				})
			})
		}
	}
}

// TestStartTellsTheMissingHead: SUBSCRIBE_START names the least group that will come, and
// the groups before it that were asked for become a gap.
func TestStartTellsTheMissingHead(t *testing.T) {
	for start, want := range map[api.GroupSequence]string{0: "[]", 3: "[{3 10 <nil>}]", 12: "[]"} {
		t.Run(fmt.Sprint("from ", start), func(t *testing.T) {
			inBubble(t, api.Lite05, api.NewTrackMux(), func(p *rawPeer, s *session.Session) {
				subscribed := make(chan api.TrackReader, 1)
				go func() {
					r, err := s.Subscribe(p.t.Context(), "demo", "video", &api.SubscribeConfig{StartGroup: start})
					if err != nil {
						t.Error(err)
					}
					subscribed <- r
				}()
				sub, _ := p.acceptBidi(2)
				track, _ := p.acceptBidi(6)
				_, _ = track.Write(p.bytes("06 7f 00 5388 43e8"))
				r := <-subscribed
				_, _ = sub.Write(p.bytes("00 01 0a"))
				synctest.Wait()
				if got := fmt.Sprint(r.Gaps()); got != want {
					t.Errorf("gaps %s, want %s", got, want)
				}
				_ = r.Close()
			})
		})
	}
}
