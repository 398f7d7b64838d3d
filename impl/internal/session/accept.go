package session

import (
	"context"
	"errors"
	"os"
	"sync"
	"time"

	"github.com/moqlite/moqlite/api"
	"github.com/moqlite/moqlite/impl/internal/control"
	"github.com/moqlite/moqlite/impl/internal/message"
)

// served is what answers the peer's bidirectional streams, by type. A type
// that is missing, or that the version does not have, is refused.
var served = map[message.StreamType]func(*Session, *peerStream){
	message.StreamAnnounce:  (*Session).serveAnnounce,
	message.StreamSubscribe: (*Session).serveSubscribe,
	message.StreamFetch:     (*Session).serveFetch,
	message.StreamProbe:     (*Session).serveProbe,
	message.StreamTrack:     (*Session).serveTrack,
	message.StreamGoAway:    (*Session).serveGoAway,
}

// acceptStreams hands each of the peer's bidirectional streams to a goroutine.
// When as many are served as may be, the peer's next ones wait.
func (s *Session) acceptStreams() {
	for s.requests.admit(s.limits.Requests) {
		// The end of the session is that of the connection, which ends this too.
		raw, err := s.conn.AcceptStream(context.Background())
		if err != nil {
			return
		}
		st := &peerStream{control.New(raw, s.version), s.requests.accepted()}
		s.life.spawn(func() {
			defer s.requests.served()
			s.serve(st)
		})
	}
}

// serve reads a stream's type and answers it. What comes to an end, by itself
// or by the application's doing, is waited for when the session drains.
func (s *Session) serve(st *peerStream) {
	done := sync.OnceFunc(s.requests.answered)
	defer done()
	_ = st.SetReadDeadline(s.in(s.limits.setup))
	t, err := st.ReadType()
	if err != nil {
		st.Refuse(api.StreamControlTimeout)
		return
	}
	handler := served[message.StreamType(t)]
	if handler == nil || !s.version.Serves(message.StreamType(t)) {
		st.Refuse(api.StreamCancelled)
		return
	}
	switch message.StreamType(t) {
	case message.StreamAnnounce, message.StreamProbe:
		done() // these end with the session
	}
	handler(s, st)
}

// A peerStream is a stream that the peer opened.
type peerStream struct {
	*control.Stream
	late bool // it was opened while the session drains
}

// request reads the first message of a stream that the peer opened; it fails
// when that takes too long, or is malformed, and has then refused the stream.
func (s *Session) request(st *peerStream, m control.Parser) bool {
	if err := st.Receive(m); err != nil {
		st.Refuse(api.StreamCancelled)
		return false
	}
	_ = st.SetReadDeadline(time.Time{})
	return true
}

// open opens a stream of a type with its first message, nil for none. ctx bounds
// the opening alone.
func (s *Session) open(ctx context.Context, t message.StreamType, m control.Appender) (*control.Stream, error) {
	st, err := control.Open(ctx, s.conn, s.version, t, m)
	return st, streamError(err)
}

// acceptUniStreams takes the peer's unidirectional streams: groups, and its
// SETUP. What says at once what it is costs no goroutine.
//
// It is the one to end the session with the connection, since that ends what it
// waits for.
func (s *Session) acceptUniStreams() {
	ahead := lookahead{session: s}
	for {
		raw, err := s.conn.AcceptUniStream(context.Background()) // as acceptStreams does
		if err != nil {
			s.over()
			return
		}
		g := newGroupReader(s, raw) // as a rule
		if g.in.peek(&ahead) && s.takeBuffered(g, ahead.now) {
			continue
		}
		s.life.spawn(func() { s.takeUniStream(g) })
	}
}

// takeBuffered dispatches a stream whose first message has come with it. It
// reports false when that is not so.
func (s *Session) takeBuffered(g *groupReader, now time.Duration) bool {
	t, body, length, ok := g.in.header(s.version)
	switch {
	case ok && t == message.StreamGroup:
		g.in.at += length
		s.takeGroup(g, body, now)
	case ok && t != message.StreamSetup, g.in.whole() && len(g.in.buffered()) == 0:
		g.in.stream.CancelRead(0)
	default:
		return false
	}
	return true
}

// over waits for the end of the session or that of the connection, which is the
// session's too. A connection that was not ended here is then waited for to be
// gone.
func (s *Session) over() {
	if !s.life.isOver() {
		conn := s.conn.Context()
		select {
		case <-conn.Done():
			s.end(sessionError(context.Cause(conn)))
		case <-s.Context().Done():
		}
	}
	if !s.life.endedHere() {
		_ = s.conn.CloseWithError(uint64(api.SessionNoError), "")
	}
}

// takeUniStream dispatches a stream whose first message is waited for, but no
// longer than a peer may take.
func (s *Session) takeUniStream(g *groupReader) {
	in := &g.in
	_ = in.stream.SetReadDeadline(s.in(s.limits.setup))
	t, err := s.version.ReadVarint(in)
	switch {
	case err == nil && message.StreamType(t) == message.StreamGroup:
		body, err := message.ReadBody(in, s.version, message.MaxBody, nil)
		if err != nil {
			in.stream.CancelRead(uint64(api.StreamMalformed))
			return
		}
		_ = in.stream.SetReadDeadline(time.Time{})
		s.takeGroup(g, body, s.clock())
	case err == nil && message.StreamType(t) == message.StreamSetup && s.version.Setup:
		s.takeSetup(in)
	case errors.Is(err, os.ErrDeadlineExceeded):
		in.stream.CancelRead(uint64(api.StreamControlTimeout))
	default:
		in.stream.CancelRead(0)
	}
}
