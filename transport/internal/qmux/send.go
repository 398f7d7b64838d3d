package qmux

import (
	"context"
	"net"
	"os"
	"sync"
	"time"

	"github.com/moqlite/moqlite/transport"
	"github.com/moqlite/moqlite/transport/internal/waiting"
)

// sendBuffer is how much a stream takes that is not sent yet: a message, so
// that the writer has something while Write is woken.
const sendBuffer = 16 << 10

// A sendStream is the sending half of a stream.
type sendStream struct {
	conn     *Conn
	stream   *stream
	id       uint64
	assigned bool // there is an id

	cond     sync.Cond // what Write waits for has changed
	deadline waiting.Deadline
	buf      []byte
	head     int    // how much of buf is sent
	offset   uint64 // how much of the stream
	max      uint64 // how much of it the peer takes

	closed  bool                   // by Close
	reset   *transport.StreamError // by CancelWrite, or refused
	over    bool                   // Context has ended, because of cause
	settled bool                   // the application knows of the end
	told    bool                   // the peer has been sent it
	ended   bool                   // both
	cause   error
	life    transport.Life

	urgency     int8
	incremental bool
	scheduled   bool
	age         uint64
}

func (s *sendStream) initSend(c *Conn, st *stream, limit uint64) {
	s.conn, s.stream, s.max = c, st, limit
	s.cond.L = &c.mu
	s.urgency, s.incremental = transport.DefaultUrgency, true
	c.ages++
	s.age = c.ages
	c.halves[s] = struct{}{}
}

func (s *sendStream) pending() []byte { return s.buf[s.head:] }

// Write takes p into the stream's buffer, as that is sent.
func (s *sendStream) Write(p []byte) (int, error) {
	s.conn.mu.Lock()
	defer s.conn.mu.Unlock()
	taken := 0
	for {
		if err := s.writeError(); err != nil {
			return taken, err
		}
		n := min(len(p)-taken, sendBuffer-len(s.pending()))
		if n > 0 {
			s.keep(p[taken : taken+n])
			taken += n
		}
		if taken == len(p) {
			return taken, nil
		}
		s.cond.Wait()
	}
}

// keep buffers p.
func (s *sendStream) keep(p []byte) {
	if s.head > 0 && len(s.buf)+len(p) > cap(s.buf) {
		s.buf = s.buf[:copy(s.buf, s.pending())]
		s.head = 0
	}
	s.buf = append(s.buf, p...)
	s.offer()
}

// offer has the writer ask for data, if there is any that may be sent.
func (s *sendStream) offer() {
	if len(s.pending()) > 0 && s.offset < s.max && !s.told {
		s.conn.schedule.add(s)
		s.conn.cond.Signal()
	}
}

// taken is called when the writer has sent n bytes, and perhaps the end.
func (s *sendStream) taken(n int, fin bool) {
	s.offset += uint64(n)
	if s.head += n; s.head == len(s.buf) {
		s.buf, s.head = s.buf[:0], 0
	}
	if fin {
		s.tell()
		return
	}
	s.cond.Broadcast()
	s.offer()
}

// writeError is why nothing can be written now.
func (s *sendStream) writeError() error {
	switch {
	case s.reset != nil:
		s.settle()
		return s.reset
	case s.closed:
		return net.ErrClosed
	case s.conn.err != nil:
		return s.conn.err
	case s.deadline.Passed:
		return os.ErrDeadlineExceeded
	}
	return nil
}

// Close ends the stream in order. It fails never.
func (s *sendStream) Close() error {
	c := s.conn
	c.mu.Lock()
	defer c.mu.Unlock()
	if s.over {
		if s.reset != nil {
			s.settle()
		}
		return nil
	}
	s.closed = true
	s.finish(context.Canceled)
	s.settle()
	if len(s.pending()) == 0 {
		c.assign(s)
		c.control(frame{kind: frameStream, id: s.id, offset: s.offset, fin: true})
		s.tell()
	}
	return nil
}

// CancelWrite abandons the stream. Once the end is sent, it comes too late.
func (s *sendStream) CancelWrite(code uint64) {
	c := s.conn
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.err != nil {
		return
	}
	if s.reset == nil {
		s.abandon(&transport.StreamError{Code: min(code, maxVarint)})
	}
	s.settle()
}

// abandon resets the stream because of e.
func (s *sendStream) abandon(e *transport.StreamError) {
	s.reset = e
	s.finish(e)
	if s.told {
		return
	}
	c := s.conn
	c.schedule.remove(s)
	c.assign(s)
	c.control(frame{kind: frameResetStream, id: s.id, code: e.Code, value: s.offset})
	s.tell()
}

// SetWriteDeadline bounds pending and later Writes.
func (s *sendStream) SetWriteDeadline(t time.Time) error {
	s.conn.mu.Lock()
	defer s.conn.mu.Unlock()
	if !s.over {
		s.deadline.Set(t, &s.cond)
	}
	return nil
}

// Context ends when the sending half is over.
func (s *sendStream) Context() context.Context {
	s.conn.mu.Lock()
	defer s.conn.mu.Unlock()
	return s.life.Context(s.cause)
}

// SetPriority ranks the stream among the others from its next chunk on.
func (s *sendStream) SetPriority(urgency int8, incremental bool) {
	c := s.conn
	c.mu.Lock()
	defer c.mu.Unlock()
	scheduled := s.scheduled
	c.schedule.remove(s)
	s.urgency, s.incremental = min(max(urgency, 0), urgencies-1), incremental
	if scheduled {
		c.schedule.add(s)
	}
}

// finish ends the half on this side and wakes Write.
func (s *sendStream) finish(cause error) {
	if s.over {
		return
	}
	s.over, s.cause = true, cause
	s.life.End(cause)
	s.deadline.Stop()
	s.cond.Broadcast()
	delete(s.conn.halves, s)
}

// settle notes that the application knows of the end.
func (s *sendStream) settle() {
	s.settled = true
	s.checkEnded()
}

// tell notes that the peer is sent the end: nothing comes after it.
func (s *sendStream) tell() {
	s.told = true
	s.buf, s.head = nil, 0
	s.checkEnded()
}

func (s *sendStream) checkEnded() {
	if s.settled && s.told && !s.ended {
		s.ended = true
		s.stream.halfEnded(s.conn)
	}
}

// onStop is the peer's refusal, which is answered by a reset.
func (s *sendStream) onStop(code uint64) {
	if s.over && (s.told || s.reset != nil) {
		return
	}
	if s.over {
		// Closed, with data that the peer does not want any more.
		s.conn.schedule.remove(s)
		s.conn.control(frame{kind: frameResetStream, id: s.id, code: code, value: s.offset})
		s.tell()
		return
	}
	s.abandon(&transport.StreamError{Code: code, Remote: true})
}

// onLimit is the peer's word on how far it takes the stream.
func (s *sendStream) onLimit(limit uint64) {
	if limit > s.max {
		s.max = limit
		s.offer()
	}
}

func (s *sendStream) connEnded() {
	s.buf, s.head, s.scheduled = nil, 0, false
	s.finish(s.conn.err)
}
