package session

import (
	"bufio"
	"context"
	"errors"
	"io"
	"os"
	"sync"
	"time"

	"github.com/moqlite/moqlite/api"
	"github.com/moqlite/moqlite/impl/internal/message"
	"github.com/moqlite/moqlite/transport"
)

// controlBuffer is enough for most control messages in one read.
const controlBuffer = 512

// served is what answers the peer's bidirectional streams, by type. A type
// that is missing, or that the version does not have, is refused.
var served = map[message.StreamType]func(*Session, *stream){
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
	for s.awaitFewer() {
		// The end of the session is that of the connection, which ends this too.
		raw, err := s.conn.AcceptStream(context.Background())
		if err != nil {
			return
		}
		st := newStream(raw, s.version)
		st.late = s.begin()
		s.spawn(func() {
			defer s.served()
			s.serve(st)
		})
	}
}

// awaitFewer waits until one more of the peer's streams may be served, for which
// it counts. It reports false when the session has ended.
func (s *Session) awaitFewer() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	for s.streams >= s.limits.Requests && !s.ended {
		if s.fewer == nil {
			s.fewer = sync.NewCond(&s.mu)
		}
		s.fewer.Wait()
	}
	s.streams++
	return !s.ended
}

// served stops counting a stream of the peer.
func (s *Session) served() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.streams--
	if s.fewer != nil {
		s.fewer.Signal()
	}
}

// begin counts a stream of the peer as a request being answered, and tells
// whether it came after the session began to drain.
func (s *Session) begin() (late bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.serving++
	return s.draining.Load()
}

// done stops counting it.
func (s *Session) done() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.serving--
	s.shrunk()
}

// serve reads a stream's type and answers it. What comes to an end, by itself
// or by the application's doing, is waited for when the session drains.
func (s *Session) serve(st *stream) {
	done := sync.OnceFunc(s.done)
	defer done()
	_ = st.SetReadDeadline(s.in(s.limits.setup))
	t, err := s.version.ReadVarint(st.in)
	if err != nil {
		st.refuse(api.StreamControlTimeout)
		return
	}
	handler := served[message.StreamType(t)]
	if handler == nil || !s.version.Serves(message.StreamType(t)) {
		st.refuse(api.StreamCancelled)
		return
	}
	switch message.StreamType(t) {
	case message.StreamAnnounce, message.StreamProbe:
		done() // these end with the session
	}
	handler(s, st)
}

// A stream is a bidirectional stream of control messages.
type stream struct {
	transport.Stream
	version *message.Version
	in      *bufio.Reader
	buf     []byte // of the message being read
	late    bool   // the peer opened it while the session drains
}

func newStream(raw transport.Stream, v *message.Version) *stream {
	prioritize(raw, controlUrgency)
	return &stream{Stream: raw, version: v, in: bufio.NewReaderSize(raw, controlBuffer)}
}

// refuse resets both halves: the sending one with code, the receiving one with
// 0, as the reference implementations do.
func (st *stream) refuse(code api.StreamErrorCode) {
	st.CancelWrite(uint64(code))
	st.CancelRead(0)
}

// A parser is a message that can be read.
type parser interface {
	Parse(v *message.Version, body []byte) error
}

// receive reads one message into m. At the stream's end before it, it returns
// io.EOF.
func (st *stream) receive(m parser) error {
	body, err := message.ReadBody(st.in, st.version, message.MaxBody, st.buf)
	if err != nil {
		return err
	}
	st.buf = body
	return m.Parse(st.version, body)
}

// request reads the first message of a stream that the peer opened; it fails
// when that takes too long, or is malformed, and has then refused the stream.
func (s *Session) request(st *stream, m parser) bool {
	if err := st.receive(m); err != nil {
		st.refuse(api.StreamCancelled)
		return false
	}
	_ = st.SetReadDeadline(time.Time{})
	return true
}

// ended waits for the end of the peer's half of a stream on which it has
// nothing more to say, and tells whether that was a FIN.
func (st *stream) ended() bool {
	_, err := io.Copy(io.Discard, st.in)
	return err == nil
}

// An appender is a message that can be written.
type appender interface {
	Append(v *message.Version, b []byte) []byte
}

// open begins a stream of a type with its first message, nil for none. ctx
// bounds the opening alone.
func (s *Session) open(ctx context.Context, t message.StreamType, m appender) (*stream, error) {
	raw, err := s.conn.OpenStream(ctx)
	if err != nil {
		return nil, streamError(err)
	}
	st := newStream(raw, s.version)
	b := s.version.AppendVarint(nil, uint64(t))
	if m != nil {
		b = m.Append(s.version, b)
	}
	defer st.abandonAt(ctx)()
	if _, err := st.Write(b); err != nil {
		st.refuse(api.StreamCancelled)
		return nil, streamError(err)
	}
	return st, nil
}

// abandonAt resets both halves when ctx ends, which unblocks whoever reads or
// writes, until the returned function is called.
func (st *stream) abandonAt(ctx context.Context) func() bool {
	return context.AfterFunc(ctx, func() {
		st.CancelWrite(uint64(api.StreamCancelled))
		st.CancelRead(uint64(api.StreamCancelled))
	})
}

// send writes one message.
func (st *stream) send(m appender) error {
	_, err := st.Write(m.Append(st.version, nil))
	return streamError(err)
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
		s.spawn(func() { s.takeUniStream(g) })
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
	if !s.isOver() {
		conn := s.conn.Context()
		select {
		case <-conn.Done():
			s.end(sessionError(context.Cause(conn)))
		case <-s.Context().Done():
		}
	}
	s.mu.Lock()
	failed := s.failed
	s.mu.Unlock()
	if !failed {
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
