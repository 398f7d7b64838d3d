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

// served are the handlers of the peer's bidirectional streams, by type. A stream whose
// type is missing here, or does not exist in the version, is refused.
var served = map[message.StreamType]func(*Session, *peerStream){
	message.StreamAnnounce:  (*Session).serveAnnounce,
	message.StreamSubscribe: (*Session).serveSubscribe,
	message.StreamFetch:     (*Session).serveFetch,
	message.StreamProbe:     (*Session).serveProbe,
	message.StreamTrack:     (*Session).serveTrack,
	message.StreamGoAway:    (*Session).serveGoAway,
}

// acceptStreams serves each of the peer's bidirectional streams in a goroutine. While
// Limits.Requests streams are being served it accepts no more.
func (s *Session) acceptStreams() {
	for s.requests.admit(s.limits.Requests) {
		// The session closes the connection when it ends, which ends this call.
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

// serve reads a stream's type and calls its handler. Drain waits for the handler to
// return, except for streams that last as long as the session.
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

// A peerStream is a bidirectional stream that the peer has opened.
type peerStream struct {
	*control.Stream
	late bool // it was accepted while the session drains
}

// request reads the first message of a stream that the peer has opened. It refuses the
// stream and reports false when the message is malformed or comes too late.
func (s *Session) request(st *peerStream, m control.Parser) bool {
	if err := st.Receive(m); err != nil {
		st.Refuse(api.StreamCancelled)
		return false
	}
	_ = st.SetReadDeadline(time.Time{})
	return true
}

// open opens a stream of type t and writes its first message, if m is not nil. Once
// open has returned, the end of ctx does not affect the stream.
func (s *Session) open(ctx context.Context, t message.StreamType, m control.Appender) (*control.Stream, error) {
	st, err := control.Open(ctx, s.conn, s.version, t, m)
	return st, streamError(err)
}

// acceptUniStreams accepts the peer's unidirectional streams: groups, and its SETUP. A
// group whose header has arrived with the stream costs no goroutine.
//
// When the connection ends, AcceptUniStream fails, and this loop ends the session.
func (s *Session) acceptUniStreams() {
	ahead := lookahead{session: s}
	for {
		raw, err := s.conn.AcceptUniStream(context.Background()) // see acceptStreams
		if err != nil {
			s.over()
			return
		}
		g := newGroupReader(s, raw) // it rarely is something else
		if g.in.peek(&ahead) && s.takeBuffered(g, ahead.now) {
			continue
		}
		s.life.spawn(func() { s.takeUniStream(g) })
	}
}

// takeBuffered handles a stream whose first message is buffered whole. It reports false
// when it is not, or is a SETUP.
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

// over waits for the end of the connection, which it makes the end of the session, or
// for the end of the session. Unless this end has closed the connection, over closes it
// and waits until it is gone.
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

// takeUniStream waits for the first message of a stream, for at most limits.setup, and
// handles the stream.
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
