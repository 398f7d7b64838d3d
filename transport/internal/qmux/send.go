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

// sendBuffer is how many unsent bytes a stream buffers: one message, so that
// the writer has something to send while the caller of Write wakes up.
const sendBuffer = 16 << 10

// A sendStream is the sending half of a stream.
type sendStream struct {
	conn     *Conn
	stream   *stream
	id       uint64
	assigned bool // id is set

	cond     sync.Cond // signals changes to callers of Write
	deadline waiting.Deadline
	buf      []byte
	head     int    // how much of buf was sent
	offset   uint64 // how much of the stream was sent
	max      uint64 // the peer's limit for offset

	closed  bool                   // Close was called
	reset   *transport.StreamError // by CancelWrite or by the peer
	over    bool                   // Context has ended with cause
	settled bool                   // the application knows of the end
	told    bool                   // the end or reset was queued for the peer
	ended   bool                   // settled and told
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

// Write copies p to the stream's buffer, and blocks while the buffer is full.
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

// keep appends p to the buffer.
func (s *sendStream) keep(p []byte) {
	if s.head > 0 && len(s.buf)+len(p) > cap(s.buf) {
		s.buf = s.buf[:copy(s.buf, s.pending())]
		s.head = 0
	}
	s.buf = append(s.buf, p...)
	s.offer()
}

// offer adds the stream to the schedule if it has data that may be sent.
func (s *sendStream) offer() {
	if len(s.pending()) > 0 && s.offset < s.max && !s.told {
		s.conn.schedule.add(s)
		s.conn.cond.Signal()
	}
}

// taken is called when the writer has taken n bytes, and the end if fin is
// true.
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

// writeError returns the reason why nothing can be written, or nil.
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

// Close ends the stream in order. It always returns nil.
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

// CancelWrite resets the stream. It has no effect for the peer once the end
// was sent.
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

// abandon resets the stream with e.
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

// SetPriority sets the priority, which applies from the next chunk on.
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

// finish ends the context and wakes the callers of Write.
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

// settle records that the application knows of the end.
func (s *sendStream) settle() {
	s.settled = true
	s.checkEnded()
}

// tell records that the end or reset was queued. Nothing is sent after it.
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

// onStop handles STOP_SENDING, which it answers with RESET_STREAM.
func (s *sendStream) onStop(code uint64) {
	if s.over && (s.told || s.reset != nil) {
		return
	}
	if s.over {
		// Closed with unsent data, which the peer does not want any more.
		s.conn.schedule.remove(s)
		s.conn.control(frame{kind: frameResetStream, id: s.id, code: code, value: s.offset})
		s.tell()
		return
	}
	s.abandon(&transport.StreamError{Code: code, Remote: true})
}

// onLimit handles MAX_STREAM_DATA.
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
