package session_test

import (
	"context"
	"io"
	"testing"
	"time"

	"github.com/moqlite/moqlite/api"
	"github.com/moqlite/moqlite/impl/internal/session"
	"github.com/moqlite/moqlite/transport"
)

// FuzzSession runs a script of a peer's actions: it opens streams, answers ours, sends
// datagrams, resets, waits. The session may end or not; it must not panic, hang, or leave
// a goroutine behind.
func FuzzSession(f *testing.F) {
	for i, request := range requests {
		script := []byte{byte(i)}
		for _, op := range []byte{opBidi, opUni, opAnswer, opDatagram} {
			b := decode(request)
			script = append(append(script, op, byte(len(b))), b...)
			script = append(script, opWait, 3)
		}
		f.Add(script)
	}
	f.Fuzz(func(t *testing.T, script []byte) {
		if len(script) == 0 {
			return
		}
		versions := api.Versions()
		mux := api.NewTrackMux()
		_ = mux.Publish(t.Context(), "demo", api.TrackFuncs{Serve: serveSome, Fetch: func(w api.GroupWriter, _ api.FetchRequest) {
			_ = w.WriteFrame(api.Frame{Payload: make([]byte, 1000)})
			_ = w.Close()
		}})
		inBubble(t, versions[int(script[0])%len(versions)], mux, func(p *rawPeer, s *session.Session) {
			go askForAll(s)
			(&play{peer: p, rest: script[1:]}).run()
			time.Sleep(30 * time.Second)
		})
	})
}

func serveSome(w api.TrackWriter) {
	_ = w.SendDatagram(api.Datagram{Payload: make([]byte, 100)})
	for range 3 {
		g, err := w.OpenGroup(w.Context())
		if err != nil {
			return
		}
		_ = g.WriteFrame(api.Frame{Payload: make([]byte, 1000)})
		_ = g.Close()
		select {
		case <-w.Updated():
		case <-w.Context().Done():
			return
		case <-time.After(time.Second):
		}
	}
}

// askForAll makes the session send every kind of request.
func askForAll(s *session.Session) {
	ctx := s.Context()
	go func() {
		if r, err := s.Announcements(ctx, ""); err == nil {
			for _, err := range api.Announcements(ctx, r) {
				_ = err
			}
		}
	}()
	go func() {
		if r, err := s.Probe(ctx); err == nil {
			_, _ = r.Receive(ctx)
		}
	}()
	go func() {
		if g, err := s.Fetch(ctx, api.FetchRequest{Path: "demo", Name: "video"}); err == nil {
			readGroup(g)
		}
	}()
	r, err := s.Subscribe(ctx, "demo", "video", nil)
	if err != nil {
		return
	}
	go func() {
		for r.ReceiveDatagram(ctx, new(api.Datagram)) == nil {
		}
	}()
	for g, err := range api.Groups(ctx, r) {
		if err != nil {
			return
		}
		go readGroup(g)
	}
}

func readGroup(g api.GroupReader) {
	var f api.Frame
	for g.ReadFrame(&f) == nil {
	}
}

// The operations of a script. Those that send are followed by a length and that many
// bytes, the others by a number.
const (
	opBidi byte = iota
	opUni
	opAnswer
	opMore
	opDatagram
	opWait
	opFinish
	opReset
	ops
)

// A play is a script being run.
type play struct {
	peer *rawPeer
	rest []byte
	last io.Writer // the stream that was written to last
}

func (s *play) run() {
	for len(s.rest) > 1 {
		op, n := s.rest[0]%ops, int(s.rest[1])
		s.rest = s.rest[2:]
		var b []byte
		if op <= opDatagram {
			b = s.rest[:min(n, len(s.rest))]
			s.rest = s.rest[len(b):]
		}
		s.do(op, n, b)
	}
}

func (s *play) do(op byte, n int, b []byte) {
	// The script waits neither for credit nor for a session that has ended.
	ctx, cancel := context.WithTimeout(s.peer.conn.Context(), time.Second)
	defer cancel()
	switch op {
	case opBidi:
		if st, err := s.peer.conn.OpenStream(ctx); err == nil {
			s.last = st
		}
	case opUni:
		if st, err := s.peer.conn.OpenUniStream(ctx); err == nil {
			s.last = st
		}
	case opAnswer:
		if st, err := s.peer.conn.AcceptStream(ctx); err == nil {
			s.last = st
		}
	case opDatagram:
		_ = s.peer.conn.(transport.DatagramConn).SendDatagram(b)
		return
	case opWait:
		time.Sleep(time.Duration(n) * 100 * time.Millisecond)
	}
	st, ok := s.last.(transport.SendStream)
	if !ok {
		return
	}
	switch op {
	case opBidi, opUni, opAnswer, opMore:
		_ = st.SetWriteDeadline(time.Now().Add(time.Second))
		_, _ = st.Write(b)
	case opFinish:
		_ = st.Close()
	case opReset:
		st.CancelWrite(uint64(n))
	}
}
