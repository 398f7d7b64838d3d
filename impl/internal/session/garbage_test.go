package session_test

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"testing/synctest"
	"time"

	"github.com/moqlite/moqlite/api"
	"github.com/moqlite/moqlite/impl/internal/session"
)

// requests are valid beginnings of a peer's streams.
var requests = []string{
	"01 01 00", "01 03 00 4309", // ANNOUNCE_REQUEST
	"02 13 00 0464656d6f 05766964656f 7f 5388 00 00 00 00", // SUBSCRIBE of 06
	"02 11 01 0464656d6f 05766964656f 7f 00 00 00 00",      // and before
	"06 0b 0464656d6f 05766964656f",                        // TRACK
	"03 0f 0464656d6f 05766964656f 7f 05 01 00",            // FETCH
	"04", "05 01 00", "2a ff", "07 7f 5388 05 07 00 00",
	"00 03 00 05 00 47d0 05 68656c6c6f 4042 03 616263", // GROUP of 06
	"00 02 00 06 05 68656c6c6f", "01 08 02 010101 05024309",
	"00 03 00 00 00 00 bfffffff 61", // a frame that claims a gigabyte
	"00 80ffffff", "02 ffffffffffffffff",
}

// TestGarbage sends valid beginnings of streams, cut, changed and repeated, and ends the
// streams in every way. The session may end or not; it must not panic, hang, or leave a
// goroutine behind, which the bubble would report.
func TestGarbage(t *testing.T) {
	for _, v := range api.Versions() {
		for seed := range uint64(150) {
			t.Run(fmt.Sprintf("%s/%d", v, seed), func(t *testing.T) {
				mux := api.NewTrackMux()
				_ = mux.PublishFunc(t.Context(), "demo", func(w api.TrackWriter) {
					g, err := w.OpenGroup(w.Context())
					if err != nil {
						return
					}
					_ = g.WriteFrame(api.Frame{Payload: make([]byte, 1000)})
					<-w.Context().Done()
				})
				inBubble(t, v, mux, func(p *rawPeer, s *session.Session) {
					// Make a subscription for the peer's groups.
					go func() {
						if r, err := s.Subscribe(s.Context(), "demo", "video", nil); err == nil {
							_, _ = r.AcceptGroup(s.Context())
						}
					}()
					rng := rand.New(rand.NewPCG(seed, 7))
					for range 1 + rng.IntN(20) {
						p.garbage(rng)
						if rng.IntN(3) == 0 {
							synctest.Wait()
						}
					}
					time.Sleep(time.Duration(rng.IntN(30)) * time.Second)
				})
			})
		}
	}
}

// garbage opens a stream with mangled bytes and ends it in a random way.
func (p *rawPeer) garbage(rng *rand.Rand) {
	b := p.bytes(requests[rng.IntN(len(requests))])
	for range rng.IntN(3) {
		switch rng.IntN(3) {
		case 0:
			b = b[:rng.IntN(len(b)+1)]
		case 1:
			if len(b) > 0 {
				b[rng.IntN(len(b))] = byte(rng.Uint32())
			}
		case 2:
			b = append(b, b...)
		}
	}
	if rng.IntN(2) == 0 {
		st, err := p.conn.OpenUniStream(p.conn.Context())
		if err != nil {
			return
		}
		_, _ = st.Write(b)
		endSomehow(rng, st.Close, st.CancelWrite)
		return
	}
	st, err := p.conn.OpenStream(p.conn.Context())
	if err != nil {
		return
	}
	_, _ = st.Write(b)
	endSomehow(rng, st.Close, st.CancelWrite, st.CancelRead)
}

func endSomehow(rng *rand.Rand, closeStream func() error, cancels ...func(uint64)) {
	switch i := rng.IntN(len(cancels) + 2); {
	case i < len(cancels):
		cancels[i](rng.Uint64N(1 << 32))
	case i == len(cancels):
		_ = closeStream()
	}
}
