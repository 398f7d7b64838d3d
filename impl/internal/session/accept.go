package session

import (
	"context"
	"time"

	"github.com/moqlite/moqlite/api"
	"github.com/moqlite/moqlite/impl/internal/control"
	"github.com/moqlite/moqlite/impl/internal/message"
	"github.com/moqlite/moqlite/impl/internal/receive"
)

// Two goroutines accept the peer's streams, for all tracks of the session. The one for
// unidirectional streams waits for the first bytes of a stream (for up to 200 µs) and for
// a reader that has just fallen behind (up to 10 ms), and for nothing else of the peer or
// the application. The one for bidirectional streams waits only while too many requests
// are being served.

// acceptStreams serves each of the peer's bidirectional streams in a goroutine. While
// Limits.Requests streams are being served it accepts no more.
func (s *Session) acceptStreams() {
	for s.requests.admit(s.limits.Requests) {
		// The session closes the connection when it ends, which ends this call.
		raw, err := s.conn.AcceptStream(context.Background())
		if err != nil {
			return
		}
		r := &request{Stream: control.New(raw, s.version).Within(&s.budget), session: s, late: s.requests.accepted()}
		s.life.spawn(func() {
			defer s.requests.served()
			r.serve()
		})
	}
}

// open opens a stream of type t and writes its first message, if m is not nil. Once
// open has returned, the end of ctx does not affect the stream.
func (s *Session) open(ctx context.Context, t message.StreamType, m control.Appender) (*control.Stream, error) {
	st, err := control.Open(ctx, s.conn, s.version, t, m)
	if err != nil {
		return nil, streamError(err)
	}
	return st.Within(&s.budget), nil
}

// uniHandlers are the handlers of the peer's unidirectional streams, by type. now is about
// when the stream was accepted, by the session's clock.
var uniHandlers = map[message.StreamType]func(s *Session, g *receive.Group, now time.Duration){
	message.StreamGroup: (*Session).takeGroup,
	message.StreamSetup: func(s *Session, g *receive.Group, _ time.Duration) { s.takeSetup(g.Stream()) },
}

// acceptUniStreams accepts the peer's unidirectional streams: groups, and its SETUP. It
// handles a group whose header has arrived with the stream itself, without a goroutine.
//
// When the connection ends, AcceptUniStream fails, and this loop ends the session.
func (s *Session) acceptUniStreams() {
	arrivals := s.budget.Arrivals()
	for {
		raw, err := s.conn.AcceptUniStream(context.Background()) // see acceptStreams
		if err != nil {
			s.endWithConn()
			return
		}
		g, arrived := arrivals.Accept(raw)
		if arrived && g.Stream().Begins(s.version, message.StreamGroup) {
			s.serveUni(g, arrivals.Now)
			continue
		}
		s.life.spawn(func() {
			g.Stream().SetDeadline(s.controlDeadline())
			s.serveUni(g, s.clock())
		})
	}
}

// serveUni reads a stream's type and calls its handler.
func (s *Session) serveUni(g *receive.Group, now time.Duration) {
	in := g.Stream()
	t, err := s.version.ReadVarint(in)
	handler := uniHandlers[message.StreamType(t)]
	switch {
	case err != nil:
		in.Cancel(refusalCode(err, 0))
	case handler == nil, !s.version.ServesUni(message.StreamType(t)):
		in.Cancel(0)
	default:
		handler(s, g, now)
	}
}

// takeGroup reads the GROUP message that a group begins with, and queues the group with its
// subscription (moq-lite-06, GROUP). A group of an unknown subscription is refused.
func (s *Session) takeGroup(g *receive.Group, now time.Duration) {
	in := g.Stream()
	body, waited, err := in.ReadMessage(s.version, &s.budget)
	var m message.Group
	if err == nil {
		err = m.Parse(s.version, body)
	}
	if err != nil {
		in.Cancel(refusalCode(err, api.StreamMalformed))
		return
	}
	if waited {
		now = s.clock()
	}
	in.ClearDeadline()
	sub := s.reading.find(m.Subscribe)
	if sub == nil {
		in.Cancel(api.StreamCancelled)
		return
	}
	g.Identify(api.GroupSequence(m.Sequence), m.StartFrame)
	sub.offer(g, now)
}

// endWithConn waits until the connection or the session has ended. If it is the
// connection, it ends the session with the same cause. Unless fail closes the connection,
// endWithConn closes it and waits until it is gone.
func (s *Session) endWithConn() {
	if !s.life.isOver() {
		conn := s.conn.Context()
		select {
		case <-conn.Done():
			s.endWith(sessionError(context.Cause(conn)))
		case <-s.Context().Done():
		}
	}
	if !s.life.endedHere() {
		_ = s.conn.CloseWithError(uint64(api.SessionNoError), "")
	}
}
